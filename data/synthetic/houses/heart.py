"""A heart hospital: telegraphic, arrows and abbreviations, upper-case headings with colons, labs on one line."""

from data.synthetic.houses.house import House, phrases, sections
from data.synthetic.wards_a import CARDIAC

HEART = House(
    name="Harbour Heart Institute",
    unit="CCU",
    service="CMED",
    ward=CARDIAC,
    age=(67.0, 12.0),
    deaths=0.0,
    drug="{drugname} {dose}{unit} {route} {freq}",
    lab="{short} {value}",
    bullet="- ",
    after_heading=": ",
    between="\n",
    notes={
        "Physician": sections("""
        <CCU PROGRESS NOTE|CCU RESIDENT NOTE|CARDIOLOGY PROGRESS NOTE> HD#{days} ; none ; prose ; 0-0 ; 1
        24H EVENTS ; brief ; prose ; 2-4 ; 1
        S ; say ; prose ; 1-3 ; 0.8
        O ; vitals ; prose ; 1-1 ; 1
        TELE ; tele ; prose ; 1-2 ; 0.7
        EXAM ; exam ; lines ; 2-5 ; 0.9
        LABS ; labs ; prose ; 4-9 ; 0.9
        ECHO/CATH ; picture ; prose ; 1-2 ; 0.5
        MEDS ; meds ; commas ; 3-7 ; 0.6
        A/P ; summary ; prose ; 1-1 ; 1
        <# PUMP|# RHYTHM|# ISCHEMIA|# CORS> ; plan ; bullets ; 1-3 ; 0.9
        <# RENAL|# FEN/PPX|# ID> ; plan ; bullets ; 1-2 ; 0.5
        DISPO ; dispo ; prose ; 1-1 ; 0.7
        """),
        "Discharge summary": sections("""
        CARDIOLOGY DISCHARGE SUMMARY ; ids ; lines ; 1-2 ; 1
        CHIEF COMPLAINT ; chief ; prose ; 1-1 ; 1
        HPI ; story ; prose ; 3-6 ; 1
        PMH ; history ; commas ; 2-6 ; 1
        ADMISSION LABS ; labs ; prose ; 4-8 ; 0.8
        CATH/ECHO ; picture ; prose ; 1-3 ; 0.8
        HOSPITAL COURSE ; course ; prose ; 3-6 ; 1
        DISCHARGE MEDS ; meds ; bullets ; 4-8 ; 0.9
        FOLLOW UP ; follow ; prose ; 1-2 ; 0.8
        """),
        "Nursing": sections("""
        CCU NSG NOTE {time} ; none ; prose ; 0-0 ; 1
        CV ; cv ; prose ; 2-4 ; 1
        RESP ; resp ; prose ; 1-3 ; 1
        GU/GI ; gut ; prose ; 1-2 ; 0.8
        SKIN/LINES ; skin ; prose ; 1-2 ; 0.6
        A ; say ; prose ; 1-2 ; 0.5
        P ; plan ; prose ; 1-3 ; 0.9
        """),
        "Radiology": sections("""
        CHEST (PORTABLE AP) {date} ; none ; prose ; 0-0 ; 1
        REASON ; chief ; prose ; 1-1 ; 1
        COMPARISON ; compare ; prose ; 1-1 ; 0.7
        FINDINGS ; picture ; prose ; 2-4 ; 1
        IMPRESSION ; picture ; numbers ; 1-3 ; 1
        """),
    },
    phrases=phrases(
        brief="""
        {event}.
        s/p {procedure}<, tolerated well|>.
        No <CP|SOB|acute events> <overnight|o/n>.
        {drugname} gtt <↑|↓|off|started> at {time}.
        {labshort} {value1} → {value2}.
        """,
        say="""
        Pt <states|reports> "<I feel|breathing is|chest is> <better|the same|OK|a bit worse>".
        Denies {othercomplaint}<, {othercomplaint}|>.
        c/o {complaint} x {days} hrs.
        Slept <well|poorly|on and off>.
        """,
        vitals="""
        T {temp} HR {hr} BP {bp} RR {rr} O2 {sat}% on {oxygen}, I/O {intake}/{output}, wt {weight} kg.
        VS: Tm {temp}, HR {hr} (SR), BP {bp}, RR {rr}, sat {sat}% {oxygen}. Net {net}.
        Tc {temp} BP {bp} P {hr} R {rr} SaO2 {sat}% {oxygen}.
        """,
        tele="""
        <SR|AF|ST|paced> {hr}s<, no ectopy|, rare PVCs|, frequent PVCs|>.
        <{days} beat NSVT|No alarms|Occ PACs|Brady to {hr}> at {time}.
        """,
        exam="""
        <GEN|CV|RESP|EXT|NECK|ABD>: {finding}<, {finding}|>
        <CV|PULM|EXT>: {finding}
        """,
        labs="{lab},",
        meds="{drug}",
        summary="""
        {age}{sexletter} w/ {history}, {history} p/w {complaint}, c/w {dx}<, now s/p {procedure}|, now {event}|>.
        {age} yo {sexletter} with hx {history} a/w {dx}, c/b {event}.
        """,
        plan="""
        {plan}<; {plan}|>
        cont {drugname} {dose}{unit} <qd|bid|tid|gtt>
        <f/u|check|trend> {labshort} <q6|q8|in am|pm>
        """,
        dispo="""
        <CCU|Stay in unit|C/O to floor> <today|in am|pending {procedure}>. Full code. Contact: {name}.
        <Unit level care|Step down when stable>; <DNR/DNI|Full code> d/w {name}.
        """,
        ids="""
        ADMIT: {date}   DISCHARGE: {date}   MD: {name}
        SERVICE: CARDIOLOGY. ATTENDING: {name}, {place}.
        """,
        chief="{complaint}, r/o {dx}",
        story="""
        {age} yo {sexword} w/ h/o {history} and {history} p/w {complaint} x {days} <d|hrs>.
        Pain {days}/10, <a/w|not a/w> {othercomplaint}; took <SL NTG|ASA 325> <w/ relief|w/o relief>.
        In ED, VS {temp} {hr} {bp} {rr} {sat}% {oxygen}; {finding}.
        Rec'd {drugname} {dose}{unit} <and|, then> {drugname}; transferred from {place}.
        ECG: <SR|AF|ST> at {hr}, <STD in V4-V6|TWI inferiorly|STE in V2-V4|no ischemic changes|LBBB>.
        Cath {date}: {imaging}.
        ROS neg for {othercomplaint}, {othercomplaint}.
        """,
        history="{history}",
        course="""
        <CAD|PUMP|RHYTHM|RENAL>: {event}; {plan}.
        Taken to <cath lab|OR|EP lab> on {date} for {procedure}, found to have {imaging}.
        Peak {labshort} {value1}, {value2} at <d/c|transfer>.
        {drugname} was <uptitrated|held|d/c'd> given {finding}.
        Hosp course c/b {event}.
        """,
        picture="""
        {imaging}.
        Since prior of {date}, {imaging}<; no PTX|>.
        {imaging}, <unchanged|improved|slightly worse>.
        """,
        follow="""
        Dr {name} in <cardiology|device|HF> clinic {days} wks; check {labshort} in {days} days.
        Call {name} at [**Telephone/Fax (1) {number}**] w/ wt gain over {days} lb.
        """,
        cv="""
        HR {hr} <SR|AF|ST> <w/ rare|w/ occ|no> ectopy, BP {bp}, MAP {hr}.
        {drugname} gtt at {dose} {unit}<, titrated to MAP over 60|>.
        {finding}. {event}.
        <R|L> groin <D&I|sl ooze|soft, no hematoma>, PP <+/+|dop/dop|palp>.
        """,
        resp="""
        LS {finding}; sats {sat}% on {oxygen}.
        RR {rr}, <nonlabored|sl labored w/ activity>.
        ABG {ph}/{pco2} at {time}.
        """,
        gut="""
        Foley <draining|w/> {output} cc <clear yellow|amber> urine since {time}; <diuretic given|no diuresis>.
        Abd soft, +BS, <no BM|BM x1>, tol {diet}.
        """,
        skin="""
        {line} <WNL|D&I|changed today>; <skin intact|sm abrasion on {anatomy}>.
        """,
        compare="<{date}|none|prior portable of {date}>.",
    ),
)
