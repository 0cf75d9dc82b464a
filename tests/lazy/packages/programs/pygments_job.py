"""Source in colours: lexers, formatters and styles are found by name."""

from pygments import highlight
from pygments.formatters import HtmlFormatter, get_formatter_by_name
from pygments.lexers import get_lexer_by_name, guess_lexer_for_filename

print(highlight("def f(x): return 'a'", get_lexer_by_name("python"), HtmlFormatter()))
print(guess_lexer_for_filename("a.rs", "fn main() {}").name)
print(repr(highlight("x = 1", get_lexer_by_name("toml"), get_formatter_by_name("terminal"))))
print(len(HtmlFormatter(style="monokai").get_style_defs()) > 1000)
