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
from fingerpost_cli._identity import identity
from fingerpost_cli._lmi import lmi
from fingerpost_cli._map import map_
from fingerpost_cli._output import safe_output
from fingerpost_cli._quarantine import quarantine
from fingerpost_cli._questions import explain, gaps
from fingerpost_cli._run import status, sweep, sync, year
from fingerpost_cli._setup import check, init, plugins


class _Root(click.Group):
    """A group whose commands end with a sentence and an exit code, never with a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and report what it raises."""
        try:
            return super().invoke(ctx)
        except FingerpostError as error:
            _report(ctx, error)
            ctx.exit(error.exit_code)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise  # the reader of a pipe went away; click knows what to do
            _report_bug(ctx, error)
            ctx.exit(1)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands in the order in which a college meets them."""
        return list(self.commands)


def _is_debugging(ctx: click.Context) -> bool:
    app = ctx.find_object(App)
    return app is not None and app.debug


def _report(ctx: click.Context, error: FingerpostError) -> None:
    click.echo(error.message, err=True)
    if _is_debugging(ctx):
        if error.detail:
            click.echo(f"Detail: {error.detail}", err=True)
        structlog.get_logger("fingerpost.cli").debug("command_refused", exc_info=error)


def _report_bug(ctx: click.Context, error: Exception) -> None:
    """Report a bug. Even with --debug only types and places are named: a message may quote a person's data."""
    broke = f"Something in Fingerpost broke ({type(error).__name__})."
    if _is_debugging(ctx):
        click.echo(f"{broke} Report it with the lines around this one.", err=True)
        structlog.get_logger("fingerpost.cli").error("command_broke", exc_info=error)
    else:
        again = "Run again with --debug, as in fingerpost --debug sync, and report what it says."
        click.echo(f"{broke} {again}", err=True)


@click.group(
    cls=_Root,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 a source failed or records were rejected, "
    "4 digests are waiting, 75 another run is in progress.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="The configuration file.  [default: fingerpost.toml here, or what FINGERPOST_CONFIG names]",
)
@click.option("--debug", is_flag=True, help="Log everything, and say where an error came from.")
@click.option("--log-json", is_flag=True, help="Log as JSON, one object per line.")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="Log to standard error from this level upwards.",
)
@click.version_option(__version__, prog_name="fingerpost", message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context, config: Path | None, debug: bool, log_json: bool, log_level: str | None) -> None:
    """Connect the college's systems to its careers programme.

    Fingerpost reads learners and careers activities from wherever they are kept, works out which of the Gatsby
    Benchmarks each learner is missing, and notifies the tutor.
    """
    safe_output()
    ctx.obj = App(config, debug, log_level, log_json)


for _command in (
    init,
    demo,
    check,
    sync,
    sweep,
    status,
    year,
    gaps,
    explain,
    identity,
    digest,
    lmi,
    quarantine,
    map_,
    plugins,
):
    main.add_command(_command)
