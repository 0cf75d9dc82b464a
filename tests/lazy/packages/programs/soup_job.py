"""A page is taken apart by selectors and put together again."""

from bs4 import BeautifulSoup, Comment

page = BeautifulSoup("<p class=a>one<b>two</b><!-- c --><p id=x>three", "html.parser")
print([p.get_text() for p in page.select("p.a > b, p#x")])
print(
    page.find(string=lambda text: isinstance(text, Comment)), page.b.find_parents("p")[0]["class"]
)
page.b.replace_with(page.new_tag("i"))
print(page.prettify())
