"""The linkage store: a linkage kept in a folder, encrypted, so that later commands need not link again."""
