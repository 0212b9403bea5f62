"""The command about the machine."""

import json
import sys

import click

from pipelines.cli.session import Session, common_options, main


@main.command()
@common_options
def doctor(session: Session) -> None:
    """Check this machine: versions, renderer, disk, workspace.

    \b
    Example: unimotion doctor
    """
    from pipelines.doctor import examine

    findings = examine(session.workspace)
    if session.as_json:
        click.echo(json.dumps({finding.name: {"ok": finding.ok, "detail": finding.detail} for finding in findings}))
    for finding in findings:
        session.say(f"{'ok  ' if finding.ok else 'MISS'} {finding.name:<18} {finding.detail}")
    if not all(finding.ok for finding in findings):
        sys.exit(1)
