"""What clerks have decided about pairs of records, and how it outranks what the linkage finds."""
