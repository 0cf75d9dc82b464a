"""A table by rich, a template by jinja2 and a command line by typer."""

import jinja2
import typer
from rich.console import Console
from rich.table import Table

table = Table(title="table")
table.add_column("number")
table.add_row("1")
Console().print(table)
print(jinja2.Template("hello {{ name|upper }}").render(name="anna"))
app = typer.Typer()


@app.command()
def greet(name: str = "world"):
    typer.echo(f"hello {name}")


app()
