"""The formats in which a source may come, one module each; :mod:`source_data` says what a format must do."""
