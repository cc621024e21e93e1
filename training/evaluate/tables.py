"""What was found, for a terminal."""

from rich.console import Console
from rich.table import Table

from training.evaluate.designs import BEST, DesignFindings
from training.evaluate.fittings import FittingFindings
from training.evaluate.generator import GeneratorFindings
from training.evaluate.recommender import DEPTH, Findings, Judged, Newcomers
from training.progress import duration

WIDTH = 110  # columns, where nobody says how wide the output is


def console() -> Console:
    """Standard output; wide enough for the tables where it is no terminal."""
    out = Console(highlight=False, markup=False)
    return out if out.is_terminal else Console(highlight=False, markup=False, width=WIDTH)


def show(findings: Findings | DesignFindings | FittingFindings | GeneratorFindings, out: Console) -> None:
    """All of it."""
    match findings:
        case DesignFindings():
            show_designs(findings, out)
        case FittingFindings():
            show_fittings(findings, out)
        case GeneratorFindings():
            show_generator(findings, out)
        case Findings():
            show_recommender(findings, out)


def show_recommender(findings: Findings, out: Console) -> None:
    """A recommender beside its peers, and for new shoppers."""
    counts = ", ".join(f"{count:,} {name}" for name, count in findings.counts.items())
    out.print(f"run {findings.run}", style="bold")
    out.print(f"  {findings.data}: {counts}, {findings.cold:,} of them cold")
    out.print("Test items against all that a shopper has not", style="bold")
    out.print(judged_table(findings.judged))
    for each in findings.judged:
        if each.chosen:
            out.print(f"  {in_words(each)}")
    out.print(f"{findings.newcomers.shoppers:,} shoppers as if they were new, by how much they told", style="bold")
    out.print(newcomers_table(findings.newcomers))


def show_designs(findings: DesignFindings, out: Console) -> None:
    """What designs are worth."""
    out.print(f"runs {findings.dvbpr} and {findings.cgan}", style="bold")
    starts = f"starts of {findings.codes:,} a category" if findings.codes else "blind starts"
    out.print(
        f"  {findings.data}: {findings.shoppers} shoppers, {findings.rows} {starts} each, {findings.tastes} tastes"
    )
    out.print("  scores and utilities in standard deviations of the category's items above their mean")
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for name in ("score", "true utility", "realism", "ahead", "of new ones"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in (*findings.catalogue, *findings.ascents):
        asked = "" if each.steps is None else f", η {each.realism_weight:g}, {each.steps} steps"
        leads = (f"{mean.value:+.2f} ± {mean.margin:.2f}" for mean in (each.ahead, each.ahead_of_new))
        utility = f"{each.utility.value:.2f} ± {each.utility.margin:.2f}"
        found = (f"{each.score.value:.2f}", utility, f"{each.realism.value:.2f}")
        table.add_row(f"{each.name}{asked}", *found, *leads)
    out.print(table)
    out.print(
        f"  ahead: in true utility, of the best {BEST} by score for the same shopper; of new ones: of the best {BEST}"
    )
    out.print("  that they have not bought, as they are recommended; η: weight of realism")


def show_fittings(findings: FittingFindings, out: Console) -> None:
    """How good a try-on is."""
    out.print(f"run {findings.run}, {findings.config} at step {findings.step}", style="bold")
    known = "the truth is drawn" if findings.truth else "no truth is known"
    out.print(f"  {findings.data}: {findings.pairs} test pairs, {known}")
    table = Table(box=None)
    table.add_column("")
    table.add_column("mean of the pairs", justify="right", no_wrap=True)
    for name, mean in findings.measures.items():
        table.add_row(name, str(mean))
    table.add_row("KID to photographed persons", f"{findings.kid:.2e} ± {findings.kid_error:.0e}")
    out.print(table)
    out.print(f"  KID of features of our own: {findings.kid_features}")
    out.print(f"  the sheet beside the run shows the best, median and worst cases by {findings.ranked_by}")


def show_generator(findings: GeneratorFindings, out: Console) -> None:
    """How good a generator's pictures are."""
    out.print(f"run {findings.run}, {findings.config} at step {findings.step}", style="bold")
    out.print(f"  {findings.data}, which it was {'' if findings.seen else 'not '}trained on")
    out.print(f"  by a classifier of our own, right for {findings.unseen_accuracy:.1%} of real pictures new to it")
    table = Table(box=None)
    table.add_column("")
    for name in ("pictures", "KID", "FID", "precision", "recall", "diversity", "right category"):
        table.add_column(name, justify="right", no_wrap=True)
    for kind, sets in (("painted", findings.painted), ("real", findings.real)):
        for category, each in sets.items():
            shares = (f"{value:.3f}" for value in (each.precision, each.recall, each.diversity, each.accuracy))
            kid = f"{each.kid:.4f} ± {each.kid_error:.4f}"
            table.add_row(f"{category}, {kind}", str(each.pictures), kid, f"{each.fid:.3f}", *shares)
    out.print(table)


def judged_table(judged: list[Judged]) -> Table:
    """One row a recommender."""
    table = Table(box=None)
    table.add_column("")
    names = ("AUC", "AUC, cold items", f"nDCG@{DEPTH}", f"recall@{DEPTH}", f"{judged[0].name} is ahead by")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for each in judged:
        figures = (each.auc, each.cold_auc, each.ndcg, each.recall, "" if each.behind is None else each.behind)
        table.add_row(each.name, *map(str, figures))
    return table


def in_words(judged: Judged) -> str:
    """How a peer was chosen."""
    chosen = ", ".join(f"{name} {value:g}" for name, value in judged.chosen.items())
    return (
        f"{judged.name}: {chosen}; the best of {judged.tried} settings on the validation items "
        f"(AUC {judged.validation_auc:.4f}), {duration(judged.seconds)} in all"
    )


def newcomers_table(newcomers: Newcomers) -> Table:
    """One row a number of likes."""
    table = Table(box=None)
    for name in ("likes", "in the mean", "AUC", "ms a fold-in"):
        table.add_column(name, justify="right", no_wrap=True)
    for told in newcomers.told:
        likes = "all" if told.likes is None else f"up to {told.likes}"
        table.add_row(likes, f"{told.mean_likes:.1f}", str(told.auc), f"{told.milliseconds:.1f}")
    if newcomers.trained is not None:
        table.add_row("trained", "", str(newcomers.trained), "")
    return table
