"""Starts a tool that imports much and uses little."""

import celery
import click
import flask
import networkx
import openpyxl
import sympy

USED_LATER = (lambda: celery, lambda: flask, lambda: networkx, lambda: openpyxl, lambda: sympy)


def main():
    print(click.style("ready", bold=True))


if __name__ == "__main__":
    main()
