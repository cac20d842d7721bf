"""Rows + a person -> accepted, corrected, rejected and written rows: the local review page."""
