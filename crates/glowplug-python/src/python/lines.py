"""Which line of the application does something, for the error that names it.

Only an interpreter that is thrown away afterwards is looked at like this: it becomes slow, and
imports may see that they are traced. The namespace is that of preload.py.
"""


class GlowplugLines:
    """The line of the application that runs, as `path:number`; whatever it calls is its doing."""

    def __init__(self, importing):
        self.importing = importing
        self.line = None

    def start(self):
        sys.addaudithook(self.audit)
        sys.settrace(self.call)

    def act(self, kind):
        """Notes an act of the line, be it in the midst of an installed package."""
        if self.line:
            self.importing.acts.setdefault((self.line, kind), "")

    def audit(self, event, arguments):
        if event == "open" and isinstance(arguments[0], (str, bytes)):
            path = arguments[0]
            path = path if isinstance(path, str) else path.decode("utf-8", "surrogateescape")
            if not path.startswith("/"):
                path = "%s/%s" % (self.importing.folder, path)
            self.act("reads " + path)

    def call(self, frame, event, argument):
        return self.within if is_application(frame.f_code.co_filename) else None

    def within(self, frame, event, argument):
        """Something happens in a function of the application: what came before is blamed on the
        line that ran.
        """
        importing = self.importing
        importing.look_around()
        if event == "return":
            frame = frame.f_back
            while frame and not is_application(frame.f_code.co_filename):
                frame = frame.f_back
        self.line = frame and "%s:%d" % (frame.f_code.co_filename, frame.f_lineno)
        importing.aside(None)
        return self.within
