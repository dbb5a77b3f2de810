"""A psychiatric hospital: quotations, mental status by category, narrative in the past tense, legal status lines."""

from data.synthetic.houses.house import House, phrases, sections
from data.synthetic.wards_b import PSYCHIATRY

MIND = House(
    name="Quarry Lane Psychiatric Hospital",
    unit="PSYCH",
    service="PSYCH",
    ward=PSYCHIATRY,
    age=(44.0, 17.0),
    deaths=-0.5,
    drug="{Drugname} ({dose} {unit}, {freqword})",
    lab="{Labfull}: {value}.",
    bullet="o ",
    after_heading=" - ",
    between="\n\n",
    notes={
        "Physician": sections("""
        Psychiatry Progress Note - Legal Status: <Voluntary|Section 12|Conditional> ; none ; prose ; 0-0 ; 1
        Subjective ; say ; prose ; 2-4 ; 1
        Staff Report ; staff ; prose ; 1-3 ; 0.9
        Mental Status ; exam ; lines ; 3-6 ; 1
        Data ; labs ; prose ; 2-5 ; 0.7
        Formulation ; summary ; prose ; 1-2 ; 1
        Treatment Plan ; plan ; bullets ; 2-4 ; 1
        """),
        "Discharge summary": sections("""
        Summary of Psychiatric Stay - {date} ; none ; prose ; 0-0 ; 1
        Presenting Problem ; story ; prose ; 2-4 ; 1
        Medical Conditions ; history ; commas ; 1-4 ; 0.8
        Life Situation ; social ; prose ; 1-3 ; 0.9
        Progress in Hospital ; staff ; prose ; 2-4 ; 1
        Medicines ; meds ; bullets ; 2-5 ; 0.9
        """),
        "Nursing": sections("""
        Milieu Note {time} ; none ; prose ; 0-0 ; 1
        Observed ; staff ; prose ; 2-4 ; 1
        In Their Words ; say ; prose ; 1-2 ; 0.9
        Safety ; plan ; bullets ; 1-2 ; 0.9
        """),
        "Radiology": sections("""
        Study for Psychiatry {date} ; none ; prose ; 0-0 ; 1
        Reason ; story ; prose ; 1-1 ; 1
        Result ; picture ; prose ; 1-3 ; 1
        """),
    },
    phrases=phrases(
        say="""
        "I <do not want|want|cannot> <to talk|to sleep|to be here|to go home>," {he} said.
        {He} spoke about {complaint} and asked when {he} might leave.
        "They are <watching|helping|poisoning> me," and later, "I am <fine|tired|scared>."
        {He} rated {his} mood {days} of 10.
        """,
        staff="""
        Nurses saw that {he} {social} and had <eaten|refused> <breakfast|lunch|dinner>.
        {Event}.
        {He} <attended|left|slept through> <group|music|community meeting> at {time}.
        <PRN|Scheduled> {drugname} {dose} {unit} was <accepted|refused|given by injection> at {time}.
        """,
        exam="""
        <Appearance|Behavior|Speech|Mood|Affect|Thought|Insight|Judgment>: {finding}
        <Orientation|Attention|Memory>: <intact|impaired>, {finding}
        """,
        labs="{lab}",
        summary="""
        This was day {days} for a {age} year old {sexword} with {dx}; {event}.
        We understood the {complaint} as part of {dx}, made worse by {history}.
        """,
        plan="""
        {plan}
        {Plan}; {plan}
        Raise {drugname} to {dose} {unit} and watch for {complaint}
        """,
        story="""
        {He} was brought by <police|family|ambulance> from {place} with {complaint}.
        {He} had stopped {drugname} {days} weeks before and {complaint} followed.
        A {age} year old {sexword} with a long history of {dx} and {history}.
        Vital signs were {temp}, {hr}, {bp}, and {he} was on {oxygen}.
        """,
        history="{history}",
        social="""
        {He} {social} and {social}.
        {Social}.
        """,
        meds="{drug}",
        picture="""
        {Imaging}.
        It showed {imaging}, as in {date}.
        """,
    ),
)
