"""Parse, query, transform and validate."""

from lxml import etree, html

tree = etree.fromstring(
    b"<r>" + b"".join(b"<i n='%d'>text %d</i>" % (n, n) for n in range(500)) + b"</r>"
)
print(tree.xpath("sum(//i/@n)"), tree.xpath("//i[@n='77']/text()"))
style = etree.XSLT(
    etree.XML(
        "<x:stylesheet version='1.0' xmlns:x='http://www.w3.org/1999/XSL/Transform'>"
        "<x:template match='/'><o><x:value-of select='count(//i)'/></o></x:template></x:stylesheet>"
    )
)
print(str(style(tree)))
page = html.fromstring("<p>un<b>closed <i>tags")
print(html.tostring(page))
try:
    etree.fromstring("<a><b></a>")
except etree.XMLSyntaxError as error:
    print(error)
schema = etree.RelaxNG(
    etree.XML("<element name='r' xmlns='http://relaxng.org/ns/structure/1.0'><text/></element>")
)
print(schema.validate(tree), len(schema.error_log) > 0)
