"""Two hundred texts that try to be something else: markup, code, formulas, headers, other letters."""

# ruff: noqa: E501 (one text would be lost in a line each)

from __future__ import annotations

_MARKUP = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</title><script>alert(1)</script>", "</style><svg onload=x>",
    '"><iframe src="//x.example">', "' onmouseover='x", "<!--", "-->", "]]>", "<![CDATA[x]]>", "&lt;b&gt;", "&#x3C;b&#x3E;",
    "<base href=//x.example/>", "<meta http-equiv=refresh content=0>", "javascript:alert(1)", "data:text/html,<b>x</b>",
    "<a href='javascript:x'>y</a>", "<table><tr><td>", "</bdi></td></tr></table>", "{{7*7}}", "${7*7}", "<%= 7*7 %>",
    "<style>*{display:none}</style>", "<link rel=stylesheet href=//x.example>", "\x3cb\x3e", "<math><mtext></table>",
]  # fmt: skip
_TYPST = [
    "#read(\"/etc/passwd\")", "#metadata(\"pwned\") <pwned>", "]#metadata(\"pwned\")<pwned>[", "$ x^2 $", "$", "$$", "@label", "@",
    "*bold*", "_emphasis_", "= Heading", "- item", "+ item", "/ term: text", "`raw`", "```typ #panic()```", "#panic(\"x\")",
    "#include \"x.typ\"", "#import \"@preview/x:0.1.0\": *", "#image(\"logo.png\")", "\\u{41}", "\\", "~", "---", "...", "<pwned>",
    "// comment", "/* comment", "*/", "#", "##", "#{", "}", "]", "[", "#let x = 1", "#set page(width: 1pt)", "#show: none",
    "https://x.example/#a", "#pagebreak()", "\"", "'", "#counter(page).update(9)", "#sys.inputs", "#eval(\"1\")",
]  # fmt: skip
_FORMULAS = [
    "=1+1", "=cmd|' /C calc'!A0", "+1+cmd", "-2+3+cmd", "@SUM(A1:A9)", "=HYPERLINK(\"//x.example\",\"y\")", "\t=1+1", "\r=1+1",
    "\n=1+1", " =1+1", "  @x", "＝1+1", "＋1", "－x", "＠SUM(1)", "\u00a0=1", "\u200b=1", "\ufeff=1", "=IMPORTXML(\"//x.example\")",
    "|calc", "%0A=1", "'=1", "\"=1\"", "=1,\"x\"", ";=1", "=1;2", "--1", "-1e9x", "+-1", "=", "-", "+", "@",
]  # fmt: skip
_HEADERS = [
    "x\r\nBcc: thief@x.example", "x\nBcc: thief@x.example", "x\rBcc: thief@x.example", "x\r\n\r\n<html>", "x\u2028Bcc: a@x.example",
    "x\u2029Bcc: a@x.example", "x\x0bBcc: a@x.example", "x\x0cBcc: a@x.example", "x\x85Bcc: a@x.example", "a@x.example, b@x.example",
    "a@x.example\r\nCc: b@x.example", "<a@x.example>", "\"a\" <b@x.example>", "a@x.example>", "a b@x.example", "=?utf-8?q?Bcc:_x?=",
    "=?utf-8?b?QmNjOiB4?=", "x\n.\n", "\r\n.\r\n", "--=_boundary--", "Content-Type: text/html", "x%0d%0aBcc: a@x.example",
    "a@x.example;b@x.example", "@", "a@", "@x.example", "a@@x.example", "a@x.example\0", "(comment) a@x.example", "undisclosed:;",
]  # fmt: skip
_LETTERS = [
    "\u202e00.1 DSU", "\u202dx", "\u2066x\u2069", "\u2067x", "\u200fx\u200e", "\u061cx", "שלום", "مرحبا بالعالم", "abc שלום 123",
    "a\u200bb", "\u200b", "\u2060", "\ufeff", "a\u00adb", "\u200d", "👩‍👩‍👧‍👦", "🎉🎉🎉", "🇩🇪", "株式会社", "Ω≈ç√∫", "Ĥ" + "\u0301" * 50,
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢", "\u0000", "a\0b", "\x01\x02\x03", "\x1b[31mred\x1b[0m", "\x7f", "\x80\x9f", "\ufffe\uffff", "\U0010ffff",
    "\ue000", "\U000e0041\U000e0042", "ﬁ ﬀ", "İi̇", "ß", "a\u0301", "\u3164", "\u2800", "\u180e", "ａｂｃ", "𝐛𝐨𝐥𝐝",
]  # fmt: skip
_LONG = [
    "W" * 1_000, "W" * 20_000, "word " * 4_000, "株" * 5_000, "-" * 5_000, "🎉" * 3_000, "a\u0301" * 5_000, "\n" * 5_000,
    "<b>" * 3_000, "#" * 5_000, "x" * 399 + "é", "9" * 500, "-" + "9" * 300, "1/" + "0" * 10, "1/3", "1" * 300 + "/7", "1e999999",
    "NaN", "Infinity", "-0", "00", "", " ", "null", "None", "../../etc/passwd", "C:\\x", "con", "a/b\\c:d*e?f|g",
]  # fmt: skip

HOSTILE = [*_MARKUP, *_TYPST, *_FORMULAS, *_HEADERS, *_LETTERS, *_LONG]
assert len(HOSTILE) >= 200
