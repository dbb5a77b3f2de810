"""The report's style sheet, part of the page so that it is whole in itself.

On a narrow screen a figure keeps a width at which its text can be read and scrolls inside its card; the page itself
never scrolls sideways.

Not for: the figures' own colours (``crossward.report.palette``).
"""

STYLE = """
:root{color-scheme:light}
*{box-sizing:border-box}
body{margin:0;background:#f3f5f8;color:#17222e;
font:15px/1.5 system-ui,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:1220px;margin:0 auto;padding:30px 20px 40px}
h1{font-size:28px;line-height:1.2;margin:0;letter-spacing:-.015em}
h2{font-size:19px;line-height:1.3;margin:0 0 4px;letter-spacing:-.01em}
h3{font-size:15px;line-height:1.3;margin:16px 0 4px}
p{margin:0 0 14px;color:#566472;max-width:110ch} header{margin:0 0 20px}
header p{margin:6px 0 0;overflow-wrap:anywhere}
.title{display:flex;flex-wrap:wrap;align-items:center;gap:8px 16px}
.tiles{display:grid;grid-template-columns:repeat(4,1fr);gap:12px;margin-bottom:18px}
.tile,section{background:#fff;border:1px solid #dfe5ec;border-radius:10px}
.tile{padding:14px 18px;min-width:0;overflow-wrap:anywhere}
.tile b{display:block;font-size:25px;line-height:1.3;font-weight:650;letter-spacing:-.015em;
font-variant-numeric:tabular-nums}
.tile span{display:block;color:#566472;font-size:13px;line-height:1.4}
.tile span:first-child{color:#17222e;font-weight:600}
section{padding:20px 24px 18px;margin-bottom:18px;overflow:hidden}
svg{display:block;width:100%;height:auto;font-family:inherit;font-variant-numeric:tabular-nums}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:18px}
.pair section{min-width:0}
ul{margin:0 0 14px;padding-left:20px;max-width:120ch} li{margin:0 0 6px}
.wide{overflow-x:auto} table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
th{font-weight:600;color:#566472;font-size:13px;text-align:left;vertical-align:bottom}
th,td{padding:7px 14px 7px 0;border-bottom:1px solid #e8ecf1} td{overflow-wrap:anywhere;min-width:7ch}
tr:last-child td{border-bottom:0}
.n{text-align:right;white-space:nowrap} td small{color:#566472;font-size:12.5px}
tr.all td{font-weight:600} i{display:inline-block;width:11px;height:11px;border-radius:2px;margin-right:8px}
.state{display:inline-block;padding:3px 13px;border-radius:14px;font-size:14px;
background:#dff2e9;color:#0f4f38;font-weight:600}
.state.open{background:#fdeccd;color:#6b4200} summary{cursor:pointer}
footer{color:#566472;font-size:13px;overflow-wrap:anywhere}
@media(max-width:900px){.pair{display:block} .tiles{grid-template-columns:1fr 1fr}
section{padding:16px} section svg{min-width:860px} .pair svg{min-width:500px}}
@media(max-width:480px){main{padding:18px 10px} .tiles{gap:8px} .tile{padding:10px 12px} .tile b{font-size:20px}}
@media print{body{background:#fff} section,.tile{break-inside:avoid}}
"""
