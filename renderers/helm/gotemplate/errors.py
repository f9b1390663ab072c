"""What goes wrong in a template: when it is parsed, when it is executed, and in a function that it calls."""


class TemplateError(Exception):
    """A template cannot be parsed or executed; the text is what Go's text/template says."""


class FunctionError(Exception):
    """A function that a template calls refuses its arguments; the template adds where it was called."""
