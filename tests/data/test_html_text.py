"""HTML as a reader sees it."""

from __future__ import annotations

import pytest

from data.html_text import text_of_html


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("plain", "plain"),
        ("<p>one\n  <b>two</b>&nbsp;three</p><p>four</p>", "one two\xa0three\nfour"),
        ("<div><pre>a\n\n  b &lt; c</pre></div>", "a\n\n  b < c"),
        ("a<br>b<br/><br/>c", "a\nb\n\nc"),
        ("<table><tr><td>Na</td><td>138</td></tr><tr><td>K</td><td>4</td></tr></table>", "Na 138\nK 4"),
        ("<head><title>t</title><style>p {}</style></head><body>x<script>y()</script></body>", "x"),
        ("<h1>Course</h1> <ul><li>rest</li> <li>diet</li></ul>", "Course\nrest\ndiet"),
        ("<p>never <i>closed", "never closed"),
        ("", ""),
    ],
)
def test_blocks_are_lines_and_marks_are_gone(html: str, text: str) -> None:
    assert text_of_html(html) == text
