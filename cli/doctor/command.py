"""The command: checks, shows, and says by its exit code whether there is a problem."""

import logging
from dataclasses import asdict
from pathlib import Path

from cli.doctor.examination import all_checks, examine
from cli.doctor.facts import Facts
from cli.doctor.report import Report
from cli.output import print_json
from core.candidates import Candidates
from core.config import load_config
from core.logs import set_up_logging


def doctor(config_file: Path, *, as_json: bool) -> int:
    """The exit code: 1 if there is a problem. ConfigError before anything is looked at."""
    config = load_config(config_file)
    Candidates(config.ignore)  # patterns are read late
    set_up_logging(config.log)
    logging.getLogger().setLevel(logging.ERROR)  # libraries warn of what is told below anyway
    with Report(quiet=as_json) as report:
        facts = Facts(config_file, config, report.doing)
        for name, findings in examine(facts, all_checks(config)):
            report.add(name, findings)
    if as_json:
        pace = facts.pace
        measured = {
            "pictures": facts.pictures,
            "folders": facts.folders,
            "images_per_second": pace and round(pace.together, 1),
            "whole_tree_seconds": pace and round(facts.pictures / pace.together, 1),
        }
        listed = [
            {"check": name, **asdict(finding)} for name, findings in report.found
            for finding in findings
        ]  # fmt: skip
        print_json({"findings": listed, "measured": measured})
    else:
        report.summarise()
    return 1 if report.count("problem") else 0
