"""The report to look at: a diagnosis goes in, the text of one HTML page comes out.

Needs Jinja2: only `outputs/html.py` imports from here, once it knows that Jinja2 is there.
"""
