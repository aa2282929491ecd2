"""Block coordinate descent: partition, selection of blocks, update of a block."""
