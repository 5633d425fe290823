"""What strangers may write into metadata, files and addresses to make a page run something."""

VALUES = [
    "<script>document.title='ran'</script>",
    "\"'><img src=x onerror=\"document.title='ran'\">",
    "</textarea></title></style><svg onload=document.title='ran'>",
    "{{ 7 * 7 }}{% include '/etc/passwd' %}${7*7}",
    "[click](javascript:document.title='ran') ![x](javascript:alert(1))",
    "[click](data:text/html,<script>top.document.title='ran'</script>)",
    "<a href=\"java\tscript:document.title='ran'\">x</a> [y](JaVaScRiPt:alert`1`)",
    "![remote](https://tracker.example/pixel.png) ![odd](//tracker.example/pixel.png)",
    "$\\href{javascript:document.title='ran'}{x}$ $\\includegraphics{https://tracker.example/a}$",
    "$\\htmlData{a=b}{x}\\html@mathml{<script>}{}$ $$\\def\\a{\\a\\a}\\a$$",
    "$" + "{" * 300 + "x" + "}" * 300 + "$",
    "`code`<iframe srcdoc=\"<script>top.document.title='ran'</script>\"></iframe>",
    "<meta http-equiv=refresh content=\"0;url=javascript:document.title='ran'\"><base href=//evil>",
    "x\u2028\u202e\u0000\ufeff<b onmouseover=document.title='ran'>y",
    "&lt;script&gt;document.title='ran'&lt;/script&gt; &#60;img src=x onerror=alert(1)&#62;",
    '" autofocus onfocus="document.title=\'ran\'" x="',
]
"""Each is put into every field at once."""


def plain(value: str) -> str:
    """Leaves out what no text of protobuf or of an address can hold."""
    return value.replace("\u0000", "")
