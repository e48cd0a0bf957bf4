"""The command `fingerpost`: its own options, its commands, and what is said when one of them fails."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import click
import structlog

from fingerpost import FingerpostError, __version__
from fingerpost_cli._app import App
from fingerpost_cli._demo import demo
from fingerpost_cli._digest import digest
from fingerpost_cli._lmi import lmi
from fingerpost_cli._map import map_
from fingerpost_cli._output import safe_output
from fingerpost_cli._quarantine import quarantine
from fingerpost_cli._questions import explain, gaps
from fingerpost_cli._run import status, sweep, sync
from fingerpost_cli._setup import check, init, plugins

__all__ = ["main"]


class _Root(click.Group):
    """A group whose commands end with a sentence and an exit code, never with a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; tell of what it raises."""
        try:
            return super().invoke(ctx)
        except FingerpostError as error:
            _tell(ctx, error)
            ctx.exit(error.exit_code)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise  # the reader of a pipe went away; click knows what to do
            _tell_bug(ctx, error)
            ctx.exit(1)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands in the order in which a college meets them."""
        return list(self.commands)


def _tell(ctx: click.Context, error: FingerpostError) -> None:
    click.echo(error.message, err=True)
    if ctx.find_object(App) is not None and ctx.ensure_object(App).debug:
        if error.detail:
            click.echo(f"Detail: {error.detail}", err=True)
        structlog.get_logger("fingerpost.cli").debug("command_refused", exc_info=error)


def _tell_bug(ctx: click.Context, error: Exception) -> None:
    """Tell of a bug. Even with --debug only types and places are told: a message may quote a person's data."""
    name = type(error).__name__
    if ctx.find_object(App) is not None and ctx.ensure_object(App).debug:
        click.echo(f"Something in Fingerpost broke ({name}). Report it with the lines around this one.", err=True)
        structlog.get_logger("fingerpost.cli").error("command_broke", exc_info=error)
    else:
        click.echo(
            f"Something in Fingerpost broke ({name}). Run again with --debug, as in fingerpost --debug sync, and "
            "report what it says.",
            err=True,
        )


@click.group(
    cls=_Root,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 a source failed or records were rejected, "
    "4 digests wait, 75 another run is going on.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="The configuration file.  [default: fingerpost.toml here, or what FINGERPOST_CONFIG names]",
)
@click.option("--debug", is_flag=True, help="Log everything, and say where an error came from.")
@click.option("--log-json", is_flag=True, help="Log one JSON object a line.")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="Log from this level on, on standard error.",
)
@click.version_option(__version__, prog_name="fingerpost", message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context, config: Path | None, debug: bool, log_json: bool, log_level: str | None) -> None:
    """Connect the college's systems to its careers programme.

    Fingerpost reads learners and careers activities from wherever they are kept, works out which of the Gatsby
    Benchmarks each learner is missing, and tells the tutor.
    """
    safe_output()
    ctx.obj = App(config, debug, log_level, log_json)


for _command in (init, demo, check, sync, sweep, status, gaps, explain, digest, lmi, quarantine, map_, plugins):
    main.add_command(_command)
