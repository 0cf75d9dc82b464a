"""The locale is the one of the start; it can be set and is then obeyed."""

import locale
import sys

print(
    locale.setlocale(locale.LC_CTYPE),
    locale.setlocale(locale.LC_NUMERIC),
    locale.setlocale(locale.LC_ALL),
)
print(locale.getlocale(), locale.getpreferredencoding(), locale.getpreferredencoding(False))
print(
    sys.getfilesystemencoding(),
    sys.stdin.encoding,
    sys.stdout.encoding,
    sys.stdout.errors,
    sys.stderr.errors,
)
print(sys.flags.utf8_mode, locale.localeconv())
for name in ("", "C", "C.utf8", "de_CH.UTF-8"):
    try:
        print(repr(name), locale.setlocale(locale.LC_ALL, name))
    except locale.Error as error:
        print(repr(name), error)
print(locale.strcoll("a", "B"), locale.format_string("%.2f", 1234.5, grouping=True))
print(ascii(open("x", "w").encoding))
