"""A web page in one file, complete in itself: it asks for nothing else."""

import base64
import hashlib
import os
from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template

from jaxcam.whole_files import whole_file

HERE = Path(__file__).parent


def write_page(
    path: str | os.PathLike[str], *, title: str, parts: Mapping[str, str], style: str = "", script: str = ""
) -> None:
    """Write a page of sections under their headings; one without content is left out.

    Args:
        path: the HTML file; written beside and renamed, so that it is there whole or not at all.
        title: heading of the page, as text.
        parts: heading -> HTML.
        style: CSS before that of all pages.
        script: the page's; a browser runs no other, so that no name from a file can become one.
    """
    parts = {name: body for name, body in parts.items() if body}
    sections = (f'<section id="{name.lower()}"><h2>{name}</h2>\n{body}\n</section>' for name, body in parts.items())
    links = " ".join(f'<a href="#{name.lower()}">{name}</a>' for name in parts)
    page = Template((HERE / "page.html").read_text(encoding="utf-8")).substitute(
        title=escape(title),
        navigation=f"<nav>{links}</nav>" if len(parts) > 1 else "",
        body="\n".join(sections),
        style=f"{style}\n" + (HERE / "page.css").read_text(encoding="utf-8"),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    with whole_file(path) as file:
        file.write(page.encode(errors="xmlcharrefreplace"))  # a path may have broken letters
