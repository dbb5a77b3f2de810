"""A kidney hospital: terse metric lines, semicolons, before-and-after values, lower case headings."""

from data.synthetic.houses.house import House, phrases, sections
from data.synthetic.wards_b import RENAL

KIDNEY = House(
    name="Fenwick Kidney Hospital",
    unit="RENAL",
    service="RMED",
    ward=RENAL,
    age=(59.0, 16.0),
    deaths=-0.1,
    drug="{drugname} {dose} {unit}; {freq}; {route}",
    lab="{short} {value} (was {value1})",
    bullet=".. ",
    after_heading=" = ",
    between="\n",
    notes={
        "Physician": sections("""
        nephrology consult, visit {days} ; none ; prose ; 0-0 ; 1
        asked for ; chief ; prose ; 1-1 ; 1
        interval ; course ; prose ; 1-3 ; 1
        volume ; volume ; prose ; 1-2 ; 1
        exam ; exam ; commas ; 2-4 ; 1
        chemistry ; labs ; commas ; 3-7 ; 1
        kidneys ; picture ; prose ; 1-2 ; 0.6
        opinion ; summary ; prose ; 1-1 ; 1
        advice ; plan ; bullets ; 2-5 ; 1
        """),
        "Discharge summary": sections("""
        renal discharge form {date} ; none ; prose ; 0-0 ; 1
        cause ; chief ; prose ; 1-1 ; 1
        events ; course ; prose ; 3-5 ; 1
        also has ; history ; commas ; 2-5 ; 0.9
        last chemistry ; labs ; commas ; 3-6 ; 1
        tablets ; meds ; bullets ; 3-6 ; 0.9
        next run ; volume ; prose ; 1-2 ; 0.8
        """),
        "Nursing": sections("""
        dialysis run sheet {time} ; none ; prose ; 0-0 ; 1
        run ; run ; prose ; 2-4 ; 1
        access ; access ; prose ; 1-2 ; 1
        after ; exam ; commas ; 1-3 ; 0.9
        """),
        "Radiology": sections("""
        renal imaging {date} ; none ; prose ; 0-0 ; 1
        why ; chief ; prose ; 1-1 ; 1
        seen ; picture ; prose ; 2-4 ; 1
        """),
    },
    phrases=phrases(
        chief="""
        {dx} with {complaint}; referred by dr {name}.
        {complaint}, {complaint}; known {history}.
        """,
        course="""
        {event}; {drugname} {dose} {unit}.
        day {days}: {procedure}; {imaging}.
        creatinine {cr}, then {cr}; {event}.
        """,
        volume="""
        weight {weight} kg, target minus {days}; in {intake}, out {output}; bp {bp} <lying|standing>.
        fluid limit {days}00 ml; {oxygen}; sat {sat}.
        """,
        exam="{finding}",
        labs="{lab}",
        picture="""
        {imaging}; <right|left> {days} cm.
        {imaging}; no change since {date}.
        """,
        summary="""
        {age} {sexword}; {history}; {dx}; {event}.
        {dx}, stage <1|2|3>, <prerenal|intrinsic|obstructive> picture; {finding}.
        """,
        plan="""
        {plan}
        {plan}; {labshort} <daily|8 hourly|with each run>
        """,
        history="{history}",
        meds="{drug}",
        run="""
        {days} h on k{days} bath; uf {days}00 ml; bp {bp} to {bp}; hr {hr}.
        cramps at {time}, saline {days}00 ml; {event}.
        heparin <free|standard|half>; clotted <no|venous chamber>.
        """,
        access="""
        {line}; <thrill|no thrill>; {finding}.
        needles <15g|16g> x2; bled {days} min.
        """,
    ),
)
