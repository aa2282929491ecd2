"""What a model would predict for rows that it had not been fitted to."""
