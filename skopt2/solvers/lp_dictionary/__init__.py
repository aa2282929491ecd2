"""Square dictionaries by the largest l_p norm of the codes."""
