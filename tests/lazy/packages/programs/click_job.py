"""A command line by click: options, a prompt, an error, and its help."""

import click
from click.testing import CliRunner


@click.group()
@click.option("--verbose", is_flag=True)
def main(verbose):
    click.echo(f"verbose={verbose}")


@main.command()
@click.argument("numbers", type=click.IntRange(0, 9), nargs=-1)
@click.option("--name", prompt=True)
def add(numbers, name):
    click.secho(f"{name}: {sum(numbers)}", bold=True)


runner = CliRunner()
for arguments in (["--verbose", "add", "1", "2"], ["add", "77"], ["--help"], ["none"]):
    result = runner.invoke(main, arguments, input="anna\n")
    print(result.exit_code, result.output)
