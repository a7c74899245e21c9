"""Generated tables: see tools/make_tables.py."""
