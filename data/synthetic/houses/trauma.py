"""A trauma centre: shouting headings in brackets, clipped capitals, injuries numbered, 24 hour clock."""

from data.synthetic.houses.house import House, phrases, sections
from data.synthetic.wards_a import TRAUMA as WARD

TRAUMA = House(
    name="Ridgeway Trauma Center",
    unit="TSICU",
    service="TSURG",
    ward=WARD,
    age=(45.0, 19.0),
    deaths=-0.1,
    drug="{DRUGNAME} {dose} {UNIT} {route} {FREQ}",
    lab="{SHORT}: {value}",
    bullet="> ",
    after_heading="\n",
    between="\n",
    notes={
        "Physician": sections("""
        [[TSICU DAILY ROUNDS]] PTD {days} ; none ; prose ; 0-0 ; 1
        [MECHANISM] ; mechanism ; prose ; 1-1 ; 0.9
        [INJURIES] ; injuries ; numbers ; 2-5 ; 1
        [24 HRS] ; interval ; bullets ; 2-4 ; 1
        [VITALS] ; vitals ; prose ; 1-1 ; 1
        [NEURO / CHEST / ABD / EXT] ; exam ; bullets ; 2-5 ; 1
        [LABS] ; labs ; prose ; 4-8 ; 0.9
        [FILMS] ; picture ; bullets ; 1-2 ; 0.6
        [PLAN BY SYSTEM] ; plan ; bullets ; 3-6 ; 1
        """),
        "Discharge summary": sections("""
        [[TRAUMA SURGERY DISCHARGE]] ; ids ; prose ; 1-1 ; 1
        [HISTORY OF INJURY] ; story ; prose ; 2-5 ; 1
        [PRIOR CONDITIONS] ; history ; commas ; 1-4 ; 0.8
        [OPERATIONS] ; operations ; numbers ; 1-3 ; 1
        [COURSE] ; course ; prose ; 3-5 ; 1
        [LAST LABS] ; labs ; prose ; 3-6 ; 0.7
        [MEDS TO GO] ; meds ; bullets ; 3-6 ; 0.9
        [ACTIVITY AND WOUNDS] ; follow ; bullets ; 2-4 ; 0.9
        """),
        "Nursing": sections("""
        [[RN SHIFT REPORT {clock}]] ; none ; prose ; 0-0 ; 1
        [NEURO] ; mind ; prose ; 1-3 ; 1
        [CV/RESP] ; cv ; prose ; 1-3 ; 1
        [WOUNDS AND DRAINS] ; wounds ; bullets ; 2-4 ; 1
        [PAIN] ; pain ; prose ; 1-2 ; 0.9
        [TO DO] ; plan ; bullets ; 1-3 ; 0.8
        """),
        "Radiology": sections("""
        [[TRAUMA IMAGING]] <CT HEAD|CT TORSO|PELVIS AP|CHEST AP|LEFT TIBIA> {clock} ; none ; prose ; 0-0 ; 1
        [WHY] ; mechanism ; prose ; 1-1 ; 1
        [SEEN] ; picture ; bullets ; 2-5 ; 1
        [READ] ; picture ; bullets ; 1-2 ; 1
        """),
    },
    phrases=phrases(
        mechanism="""
        {age}{SEXLETTER} S/P {complaint}, <+LOC|-LOC|UNKNOWN LOC>, GCS {gcs} AT SCENE.
        {age}{SEXLETTER}, {complaint}, <HELMETED|RESTRAINED|INTOXICATED|PROLONGED EXTRICATION>.
        """,
        injuries="""
        {Dx} <- NONOP|- S/P {procedure}|- FOR OR|>
        {Imaging}
        <ABRASIONS|CONTUSION|LACERATION> OF {ANATOMY}
        """,
        interval="""
        {event}
        {clock} - {event}
        TO OR FOR {procedure}, EBL {output} ML
        PRBC X{days}, FFP X{days}<, PLT X1|>
        NO ISSUES, {event}
        """,
        vitals="""
        TMAX {temp} / HR {hr} / BP {bp} / RR {rr} / SPO2 {sat} {oxygen} / UOP {output} / CT OUT {days}0
        T{temp} P{hr} BP{bp} R{rr} SAT{sat} ({oxygen}) GCS {gcs} PAIN {days}/10
        """,
        exam="""
        <NEURO|CHEST|ABD|EXT|PELVIS|SPINE>: {finding}
        <HEENT|CHEST|BACK|EXT>: {finding}; {finding}
        """,
        labs="{lab} //",
        picture="""
        {imaging}
        {imaging}, <NEW|STABLE|NO CHANGE FROM {clock}|IMPROVED>
        NO <FREE AIR|FREE FLUID|FRACTURE|HEMOTHORAX>, {imaging}
        """,
        plan="""
        <NEURO|RESP|CV|GI|GU|HEME|ID|ORTHO|DISPO> - {plan}
        <NEURO|PAIN|ID|PPX> - {DRUGNAME} {dose} {unit} {freq}
        <ORTHO|PLASTICS|NEUROSURGERY> TO {plan}
        <TODAY|TONIGHT|AM>: {procedure}
        """,
        ids="IN {date} / OUT {date} / ATTENDING {name} / TRAUMA ALIAS {name}",
        story="""
        {Age} YEAR OLD {SEXWORD} <BROUGHT BY EMS|FLOWN FROM {place}|WALKED IN> AFTER {complaint}.
        IN THE BAY: AIRWAY <PATENT|TUBED IN FIELD>, HR {hr}, BP {bp}, GCS {gcs}, {finding}.
        FAST <NEGATIVE|POSITIVE|EQUIVOCAL>; FILMS WITH {imaging}.
        GIVEN {DRUGNAME} AND {days} L CRYSTALLOID; {event}.
        SECONDARY SURVEY WITH {finding} AND PAIN AT {anatomy}.
        """,
        history="{history}",
        operations="""
        {date}: {procedure}
        {procedure} <(DR {name})|, EBL {output}|>
        """,
        course="""
        PT TAKEN FOR {procedure}, <THEN TO TSICU|TOLERATED WELL|EXTUBATED IN PACU>.
        POD {days}: {event}.
        {event}; PLAN WAS TO {plan}.
        {DRUGNAME} <STARTED|STOPPED> ON {date} FOR <DVT PPX|PAIN|WOUND>.
        PT/OT SAW PT, RECS <REHAB|HOME WITH SERVICES|BRACE WHEN OOB>.
        """,
        meds="{drug}",
        follow="""
        <NWB|TDWB|WBAT> {ANATOMY} X {days} WKS
        DRESSING TO {anatomy} <DAILY|BID|WET TO DRY|KEEP DRY>
        CLINIC WITH DR {name} IN {days} WKS, STAPLES OUT THEN
        RETURN FOR <FEVER|DRAINAGE|NEW NUMBNESS> OR {complaint}
        """,
        mind="""
        GCS {gcs}, PUPILS {days}MM <BRISK|SLUGGISH>, {finding}.
        C-COLLAR <ON|CLEARED>, LOGROLL <MAINTAINED|LIFTED>.
        <MAE|MOVES LEFT ONLY|LOCALIZES> TO <COMMAND|PAIN>.
        """,
        cv="""
        HR {hr} BP {bp} SAT {sat}% {oxygen}.
        CT <TO SXN|TO WATER SEAL>, <NO LEAK|SM LEAK>, {output} ML <SEROSANG|BLOODY>.
        {event}.
        """,
        wounds="""
        {ANATOMY}: <STAPLES CDI|DSG SATURATED|VAC INTACT|PACKED|PIN SITES CLEAN>
        {line} - <OUTPUT {output}|PATENT|DC'D {clock}|SITE OK>
        <COMPARTMENTS SOFT|ROAD RASH CLEANED|CAST DRY>; {finding}
        """,
        pain="""
        {days}/10 AT {anatomy}, {DRUGNAME} {dose} {unit} AT {clock}, NOW {days}/10.
        PCA <IN USE|DC'D|INCREASED>; <RESTING|GUARDING|CRYING OUT>.
        """,
    ),
)
