"""Answers how summaries and what stands behind them are written down: as JSON, and as rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tract.cli._render import Block, Body, Cell, Heading, Table
from tract.objects.content import shorten

if TYPE_CHECKING:
    from tract.operations.compress import CompressResult
    from tract.operations.expand import Expansion
    from tract.operations.proposal import Proposal


def compress_json(result: CompressResult) -> dict[str, Any]:
    """Return what a compression did, as JSON."""
    return {
        "head": result.head,
        "is_dry_run": result.head is None,
        "tokens_before": result.tokens_before,
        "tokens_after": result.tokens_after,
        "kept": list(result.kept),
        "summaries": [
            {
                "commit": one.commit,
                "covers": list(one.covers),
                "text": one.text,
                "tokens_before": one.tokens_before,
                "tokens_after": one.tokens_after,
                "summarizer": one.summarizer,
            }
            for one in result.summaries
        ],
    }


def compress_blocks(result: CompressResult) -> list[Block]:
    """Return a row for each summary; in a dry run what each would say as well."""
    header = ("done", "commit", ">messages", ">before", ">after", "by", "text")
    blocks: list[Block] = []
    rows: list[list[Cell]] = []
    for one in result.summaries:
        facts: list[Cell] = [str(len(one.covers)), str(one.tokens_before), str(one.tokens_after), one.summarizer]
        done = ("covered", "green") if one.commit else ("would cover", "cyan")
        rows.append([done, ((one.commit or "")[:8], "yellow"), *facts, shorten(one.text)])
    blocks.append(Table(rows, header))
    if result.head is None:
        for one in result.summaries:
            blocks += [Heading([""]), Heading([(f"{len(one.covers)} messages", "dim")]), Body(one.text)]
    return blocks


def expansion_rows(expansion: Expansion) -> Iterator[list[Cell]]:
    """Yield a row for a commit and each it stands for: level, commit, op, role, tokens, first line."""
    for level, one in expansion.walk():
        role = "" if one.message is None else one.message.role
        row: list[Cell] = [str(level), (one.commit[:8], "yellow"), one.op, (role, "green")]
        yield [*row, str(one.tokens), "  " * min(level, 20) + shorten(one.text)]


def proposal_json(proposal: Proposal) -> dict[str, Any]:
    """Return everything known of a proposal, as JSON."""
    return {
        "number": proposal.number,
        "kind": proposal.kind,
        "state": proposal.state,
        "branch": proposal.branch,
        "head": proposal.head,
        "created_at": proposal.created_at.isoformat(),
        "drafts": list(proposal.drafts),
    }


def proposal_row(proposal: Proposal) -> list[Cell]:
    """Return one line about a proposal."""
    style = {"open": "cyan", "approved": "green"}.get(proposal.state, "red")
    return [
        str(proposal.number),
        (proposal.state, style),
        proposal.kind,
        (proposal.branch, "green"),
        (proposal.head[:8], "yellow"),
        str(len(proposal.drafts)),
        shorten(proposal.preview),
    ]


PROPOSAL_HEADER = ("number", "state", "kind", "branch", "made on", ">drafts", "text")
