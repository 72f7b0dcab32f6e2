"""Settings of Sphinx; `make docs` copies this folder and writes the reference beside it."""

project = "thrace"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "thrace"
html_show_sphinx = False
html_copy_source = False
myst_heading_anchors = 3
# Links to files of the repository, and to the folder of decisions, are for readers of the sources.
suppress_warnings = ["myst.xref_missing"]
