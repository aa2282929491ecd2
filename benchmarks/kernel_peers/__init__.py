"""One adapter a library for the kernel benchmark."""
