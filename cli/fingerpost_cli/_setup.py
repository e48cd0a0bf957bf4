"""`init`, `check` and `plugins`: set a college up and see whether it would work."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import click

from fingerpost import College, ConfigError, Host, init_template
from fingerpost_cli._app import Answer, App, pass_app, question
from fingerpost_cli._output import as_json, print_json, say, show_table

_FILE = "fingerpost.toml"


@click.command()
@click.argument("directory", default=".", type=click.Path(file_okay=False, path_type=Path))
def init(directory: Path) -> None:
    """Write a commented fingerpost.toml to start from, in DIRECTORY (default: here)."""
    path = directory / _FILE
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(init_template())
    except FileExistsError as error:
        raise ConfigError(f"{path} already exists and was left unchanged; edit it, or name another folder.") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from error
    click.echo(f"Wrote {path}. Next:")
    click.echo("  1. Edit it: your college, where its files are, and who the careers leader is.")
    click.echo("  2. fingerpost check   tries every connection and says what it found.")
    click.echo("  3. fingerpost sync    reads, judges, and writes the digests to a folder. Run it every night.")


@click.command()
@question
def check(college: College) -> Iterator[Answer]:
    """Try every connection, without reading data and without sending anything.

    Exits 2 when something must be put right before a sync.
    """
    report = college.check()
    connectors = [
        {"name": one.name, "findings": [
            {"level": finding.level, "message": finding.message, "hint": finding.hint} for finding in one.findings
        ]} for one in report.connectors
    ]  # fmt: skip
    yield Answer({"ok": report.ok, "connectors": connectors}, 0 if report.ok else 2)
    for one in report.connectors:
        click.echo(one.name)
        for finding in one.findings:
            say(finding.message, mark=f"  {finding.level:<8}")
            if finding.hint:
                say(finding.hint, mark="          -> ")
    click.echo("Ready for fingerpost sync." if report.ok else "Put right what is marked error, then check again.")


@click.command()
@as_json
@click.pass_context
@pass_app
def plugins(app: App, ctx: click.Context, as_json: bool) -> None:
    """List the installed plugins, what each offers, and why one was not loaded.

    Exits 1 when the configuration uses a connector type that no loaded plugin offers.
    """
    app.configure()
    host = Host.load()
    missing = sorted(_configured_types(app.config_path) - set(host.connector_types()))
    if as_json:
        print_json({"plugins": host.plugins, "missing_types": missing})
    else:
        headings = ("plugin", "distribution", "version", "state", "connectors")
        rows = [(one.name, one.distribution, one.version, one.state, ", ".join(one.connectors)) for one in host.plugins]
        show_table(headings, rows)
        for plugin in host.plugins:
            if plugin.cause:
                say(f"{plugin}: {plugin.cause}", mark="- ")
        for name in missing:
            say(f"The configuration uses the connector type '{name}', which no loaded plugin offers.", mark="- ")
    ctx.exit(1 if missing else 0)


def _configured_types(path: Path) -> set[str]:
    """Return the connector types that a configuration names; none where it cannot be read: that is another's news."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return set()
    tables = document.get("connector")
    named = [one.get("type") for one in tables if isinstance(one, dict)] if isinstance(tables, list) else []
    return {name for name in named if isinstance(name, str)}
