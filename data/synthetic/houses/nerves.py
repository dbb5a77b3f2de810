"""A neurological hospital: numbered problem lists, slashes, scores everywhere."""

from data.synthetic.houses.house import House, phrases, sections
from data.synthetic.wards_b import NEURO

NERVES = House(
    name="Oldbridge Neurological Hospital",
    unit="NSICU",
    service="NMED",
    ward=NEURO,
    age=(64.0, 15.0),
    deaths=0.1,
    drug="{Drugname} {dose} {unit}/{freq}/{route}",
    lab="{short}={value}",
    bullet="=> ",
    after_heading=" | ",
    between="\n",
    notes={
        "Physician": sections("""
        Neuro ICU, day {days} | exam time {time} ; none ; prose ; 0-0 ; 1
        Synopsis ; summary ; prose ; 1-1 ; 1
        Since last note ; course ; prose ; 2-4 ; 1
        Vitals ; vitals ; prose ; 1-1 ; 1
        MS/CN/Motor/Sens/Reflex ; exam ; lines ; 3-6 ; 1
        Chem/CBC ; labs ; prose ; 4-8 ; 0.9
        Pictures ; picture ; prose ; 1-2 ; 0.7
        Localization and plan ; plan ; numbers ; 3-5 ; 1
        """),
        "Discharge summary": sections("""
        Neurology discharge letter | {date} ; none ; prose ; 0-0 ; 1
        Onset ; story ; prose ; 2-4 ; 1
        Background ; history ; commas ; 2-5 ; 1
        Ward course ; course ; prose ; 3-6 ; 1
        Pictures ; picture ; prose ; 1-3 ; 0.9
        Leaves on ; meds ; numbers ; 3-6 ; 0.9
        """),
        "Nursing": sections("""
        Neuro nursing | {time} ; none ; prose ; 0-0 ; 1
        Checks ; exam ; lines ; 2-4 ; 1
        Lines and drains ; drains ; prose ; 1-2 ; 0.8
        Comfort ; course ; prose ; 1-2 ; 0.8
        Next ; plan ; numbers ; 1-3 ; 0.8
        """),
        "Radiology": sections("""
        Neuroradiology | <CT head|MRI brain|CTA neck> {date} ; none ; prose ; 0-0 ; 1
        Asked ; story ; prose ; 1-1 ; 1
        Answer ; picture ; numbers ; 2-5 ; 1
        """),
    },
    phrases=phrases(
        summary="""
        {age}{sexletter}/<right|left>-handed/{history}: {complaint}, localizes to {anatomy}; working dx {dx}.
        {Dx}, day {days}; {event}; mRS <before|now> {days}.
        """,
        course="""
        {Event} @{time}.
        <EEG|TCD|ICP> <unchanged|better|worse>; {event}.
        {Drugname} load {dose} {unit}, level {level}.
        Went for {procedure}: {imaging}.
        """,
        vitals="""
        {temp}F / {bp} / {hr} / {rr} / {sat}% {oxygen} / GCS {gcs} / ICP {days}.
        BP {bp} (goal SBP below 160), HR {hr}, T {temp}, {oxygen}.
        """,
        exam="""
        <MS|CN II-XII|Motor|Sensory|Reflexes|Gait>: {finding}
        <UE|LE> <R|L> {days}/5, {finding}
        Pupils {days} to {days} <brisk|sluggish|fixed>; {finding}
        """,
        labs="{lab};",
        picture="""
        {imaging}<, ASPECTS {days}|, no bleed|>.
        vs {date}: {imaging}.
        """,
        plan="""
        <Stroke|Seizure|ICP|BP|Swallow|Proph>/ {plan}
        {Drugname} {dose} {unit} {freq}; {plan}
        """,
        story="""
        Last known well {time}; found with {complaint}; NIHSS {days}.
        {Age}{sexletter} with {history} and sudden {complaint}, then {complaint}.
        tPA <given at {time}|not given, out of window>; sent from {place}.
        """,
        history="{history}",
        meds="{drug}",
        drains="""
        {Line} ok; EVD at {days} above tragus, {output} out.
        {Line} <changed|flushed|zeroed> {time}.
        """,
    ),
)
