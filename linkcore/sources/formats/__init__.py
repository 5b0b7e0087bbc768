"""The formats of a source, one module for each; :mod:`source_data` says what a format must do."""
