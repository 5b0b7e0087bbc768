"""The linkage-quality report, and the same measures in files, notebooks and terminals."""
