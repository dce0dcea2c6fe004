"""Write results/README.md: what was published, the command behind each figure, what every column means."""

import importlib
import json
from pathlib import Path

from experiments import published
from experiments.figures import Config
from experiments.launch import launch
from scaling.records import read_rows, write_text


def page(results: Path) -> str:
    """The page, as Markdown."""
    parts = [
        "# Results\n\nWritten by `python -m experiments.overview` from the summaries, rows and provenance below "
        f"`{results.name}/`; do not edit. Intervals are 95 %. The paper is arXiv 2510.00504.\n"
    ]
    for file in sorted(results.glob("*/*/summary.json")):
        folder = file.parent
        experiment = importlib.import_module(f"experiments.{folder.parent.name}")
        summary, provenance = (json.loads((folder / f"{part}.json").read_text()) for part in ("summary", "provenance"))
        place = folder.relative_to(results.parent)
        parts.append(
            f"## {folder.parent.name}, preset {folder.name}\n\n{summary['claim']}\n\n"
            f"**Verdict: {summary['verdict']}.**\n\n![{folder.parent.name}]({place}/figure.png)\n\n"
            f"    {provenance['command']}\n\n{provenance['points']} points on {provenance['device']}, jaxlib "
            f"{provenance['jaxlib']}, commit {provenance['commit'][:12]}.\n"
        )
        parts.append("| quantity | ours | 95 % interval | paper |\n|---|---|---|---|")
        for name, entry in summary["numbers"].items():
            paper = theirs(experiment, name)
            parts.append(f"| `{name}` | {text(entry['value'])} | {span(entry['interval'])} | {paper} |")
        columns = read_rows(folder / "rows.csv").columns
        parts.append("\n| column of rows.csv | meaning |\n|---|---|")
        parts += [f"| `{column}` | {experiment.COLUMNS[column]} |" for column in columns]
        parts.append("")
    return "\n".join(parts)


def text(value: float | None) -> str:
    """A number to four digits; a dash where there is none."""
    return "–" if value is None else f"{value:.4g}"


def span(interval: list | None) -> str:
    """An interval to four digits; a dash where there is none."""
    return "–" if interval is None or None in interval else f"{text(interval[0])} to {text(interval[1])}"


def theirs(experiment, name: str) -> str:
    """The published value of a number of a summary, if its experiment says which one it is."""
    key = getattr(experiment, "PUBLISHED", {}).get(name)
    if key is None:
        return ""
    return f"{text(published.value(*key))} (Fig. {key[0]})"


def write_page(config: Config, overrides: list[str]) -> None:
    """Write the page beside the folder of results."""
    results = Path(config.results)
    write_text(results.parent / "README.md", page(results))
    print(results.parent / "README.md")


if __name__ == "__main__":
    launch("overview", write_page)
