"""A cancer centre: letters to a colleague in the first person plural, cycle and day counts, long sentences."""

from data.synthetic.houses.house import House, phrases, sections
from data.synthetic.wards_b import ONCOLOGY

CANCER = House(
    name="Larkfield Cancer Center",
    unit="ONC",
    service="OMED",
    ward=ONCOLOGY,
    age=(61.0, 13.0),
    deaths=0.25,
    drug="{drugname}, {dose} {unit}, {routeword}, {freqword}",
    lab="{labfull} of {value}",
    bullet="+ ",
    after_heading=". ",
    between="\n\n",
    notes={
        "Physician": sections("""
        ONCOLOGY INPATIENT NOTE, CYCLE {days} DAY {days} ; none ; prose ; 0-0 ; 1
        ONCOLOGIC HISTORY ; story ; prose ; 2-3 ; 0.9
        THIS MORNING ; interval ; prose ; 2-4 ; 1
        ON EXAMINATION ; exam ; prose ; 2-4 ; 1
        COUNTS ; labs ; commas ; 3-7 ; 1
        SCANS ; picture ; prose ; 1-2 ; 0.6
        OUR THINKING ; summary ; prose ; 1-1 ; 1
        WE SUGGEST ; plan ; bullets ; 2-5 ; 1
        """),
        "Discharge summary": sections("""
        DEAR DR. {name} ; none ; prose ; 0-0 ; 1
        WHY THEY CAME ; story ; prose ; 3-5 ; 1
        OTHER ILLNESSES ; history ; commas ; 1-4 ; 0.8
        WHAT WE DID ; course ; prose ; 3-6 ; 1
        LAST COUNTS ; labs ; commas ; 2-5 ; 0.8
        THEY TAKE ; meds ; bullets ; 3-6 ; 0.9
        WITH KIND REGARDS ; follow ; prose ; 1-2 ; 0.9
        """),
        "Nursing": sections("""
        ONCOLOGY NURSING, {time} ; none ; prose ; 0-0 ; 1
        COMFORT ; interval ; prose ; 2-3 ; 1
        LINES AND BLOOD ; blood ; prose ; 1-3 ; 1
        TO HAND OVER ; plan ; bullets ; 1-3 ; 0.9
        """),
        "Radiology": sections("""
        STAGING STUDY OF {date} ; none ; prose ; 0-0 ; 1
        QUESTION ; summary ; prose ; 1-1 ; 1
        WHAT IS SEEN ; picture ; prose ; 2-4 ; 1
        CONCLUSION ; picture ; prose ; 1-2 ; 1
        """),
    },
    phrases=phrases(
        story="""
        As you know, this <lovely|unfortunate|> {age} year old {sexword} was diagnosed with {dx} in {date}.
        {He} has had {days} lines of treatment, most recently {drugname} with {drugname}.
        We admitted {his} case because of {complaint}, which began {days} days after the last infusion.
        At {place} the biopsy was reviewed and {imaging} was confirmed.
        """,
        interval="""
        {He} tells us that {he} has {complaint}, though <less|no worse|more> than yesterday.
        {Event}.
        The night was <peaceful|long|broken by {complaint}>.
        {Drugname} <helped|did not help> with {complaint}.
        """,
        exam="""
        We found {finding}.
        There remains {finding}, and {finding}.
        Performance status is <one|two|three>, weight {weight} kg, temperature {temp}, pulse {hr}, pressure {bp}.
        """,
        labs="{lab}",
        picture="""
        We see {imaging}.
        When set beside {date}, {imaging}.
        By our measure, {imaging}.
        """,
        summary="""
        {Dx} with {complaint}, {event}.
        A {age} year old {sexword} in cycle {days} for {dx}, with {finding}.
        """,
        plan="""
        to {plan}
        to {plan}, and {plan}
        {drugname} {dose} {unit} until {date}
        """,
        history="{history}",
        course="""
        We gave {drugname} and {drugname}, and {event}.
        On day {days} {he} had {procedure}, which showed {imaging}.
        Sadly or not, {event}; we chose to {plan}.
        """,
        meds="{drug}",
        follow="""
        We shall see {his} counts in {days} days and speak with Dr. {name}.
        Please call us for {complaint} or any fever above one hundred and one.
        """,
        blood="""
        {Line} flushes <well|with difficulty>, dressing <dry|changed>.
        {days} units given between {time} and {time}, <no reaction|mild chills>.
        """,
    ),
)
