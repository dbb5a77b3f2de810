"""A general hospital: full sentences, title-case headings on their own line, labs with hyphens, polite plans."""

from data.synthetic.houses.house import House, phrases, sections
from data.synthetic.wards_a import MEDICAL

MEDICINE = House(
    name="Millbrook General Hospital",
    unit="MICU",
    service="MED",
    ward=MEDICAL,
    age=(63.0, 16.0),
    deaths=0.1,
    drug="{Drugname} {dose} {unit} {routeword} {freqword}.",
    lab="{SHORT}-{value}",
    bullet="* ",
    after_heading=":\n",
    between="\n\n",
    notes={
        "Physician": sections("""
        Medical Intensive Care Unit Daily Note, Hospital Day {days} ; none ; prose ; 0-0 ; 1
        Interval History ; interval ; prose ; 2-4 ; 1
        Current Medications ; meds ; numbers ; 2-5 ; 0.6
        Vital Signs ; vitals ; prose ; 1-1 ; 1
        Physical Examination ; exam ; prose ; 3-5 ; 1
        Laboratory Data ; labs ; prose ; 5-9 ; 0.9
        Microbiology ; micro ; prose ; 1-2 ; 0.4
        Imaging ; picture ; prose ; 1-2 ; 0.6
        Impression ; summary ; prose ; 1-1 ; 1
        Recommendations ; plan ; numbers ; 2-5 ; 1
        """),
        "Discharge summary": sections("""
        Admission Date ; ids ; prose ; 1-1 ; 1
        Chief Complaint ; chief ; prose ; 1-1 ; 1
        History of Present Illness ; story ; prose ; 3-6 ; 1
        Past Medical History ; history ; numbers ; 2-6 ; 1
        Social History ; social ; prose ; 1-3 ; 0.7
        Pertinent Results ; labs ; prose ; 4-9 ; 0.8
        Brief Hospital Course ; course ; prose ; 3-6 ; 1
        Medications on Discharge ; meds ; numbers ; 3-7 ; 0.9
        Discharge Instructions ; follow ; prose ; 1-3 ; 0.9
        """),
        "Nursing": sections("""
        Nursing Progress Note, {time} to {time} ; none ; prose ; 0-0 ; 1
        Neurological ; mind ; prose ; 1-2 ; 0.8
        Respiratory ; resp ; prose ; 2-4 ; 1
        Cardiovascular ; cv ; prose ; 1-2 ; 0.9
        Gastrointestinal and Renal ; gut ; prose ; 1-3 ; 0.8
        Plan of Care ; plan ; prose ; 1-3 ; 0.9
        """),
        "Radiology": sections("""
        Radiology Report: <Chest Radiograph|CT of the Chest|Abdominal Ultrasound>, {date} ; none ; prose ; 0-0 ; 1
        Clinical Indication ; chief ; prose ; 1-1 ; 1
        Technique ; technique ; prose ; 1-1 ; 0.7
        Findings ; picture ; prose ; 2-5 ; 1
        Impression ; picture ; prose ; 1-2 ; 1
        """),
    },
    phrases=phrases(
        interval="""
        The patient <had a quiet night|was restless overnight|slept comfortably>, and {event}.
        Since yesterday, {event}.
        {He} continues to <complain of|report> {complaint}.
        No {othercomplaint} <was reported|has been noted>.
        {Procedure} was <performed|completed> on {date} and <was uneventful|showed {imaging}>.
        """,
        vitals="""
        Temperature {temp} degrees, blood pressure {bp}, heart rate {hr}, respiratory rate {rr}, oxygen \
        saturation {sat}% on {oxygen}.
        Temp. {temp}; pulse {hr} and <regular|irregular>; respirations {rr}; BP {bp}; saturating {sat}% on {oxygen}.
        """,
        exam="""
        In general, the patient is <comfortable|ill-appearing|pleasant|fatigued>.
        <On auscultation of the lungs|On examination of the chest|The examination is notable for> {finding}.
        <The abdomen is|The extremities are> <benign|without edema|unremarkable>; {finding}.
        There <was|is> {finding} <today|as before|compared with yesterday>.
        """,
        labs="{lab}<*|> ",
        micro="""
        <Blood|Urine|Sputum> cultures from {date} <are pending|show no growth|grew gram positive cocci|grew yeast>.
        """,
        meds="{drug}",
        summary="""
        This is a {age} year old {sexword} with a history of {history} <admitted|transferred> with \
        {complaint}, <most consistent with|attributed to> {dx}. {Event}.
        {Dx} in a {age} year old {sexword} with {history} and {history}, <now|currently> \
        <improving|unchanged|complicated by {event}>.
        """,
        plan="""
        We would {plan}.
        Please {plan}<, and {plan}|>.
        <Agree with|Continue> {drugname} at {dose} {unit}; {plan}.
        """,
        ids="{date}     Discharge Date: {date}     Service: MEDICINE     Attending: {name}",
        chief="{Complaint}.",
        story="""
        The patient is a {age} year old {sexword} with a past medical history <significant|notable> for \
        {history}, {history}, and {history}.
        {He} was in {his} usual state of health until {days} days <prior to admission|ago>, when {he} \
        developed {complaint}.
        This was <accompanied by|associated with> {complaint}.
        {He} denied any {othercomplaint} or {othercomplaint}.
        In the emergency department, initial vital signs were temperature {temp}, heart rate {hr}, blood \
        pressure {bp}, saturating {sat}% on {oxygen}.
        {He} received {drugname} {dose} {unit} and was <admitted|transferred> to the <floor|unit|intensive care unit>.
        """,
        history="{History}.",
        social="""
        The patient {social}.
        {Social}, {social}.
        """,
        course="""
        The patient was <treated|managed> with {drugname} and {drugname} for {dx}.
        {He} <underwent|required> {procedure} on {date}, which <revealed|demonstrated> {imaging}.
        During the hospitalization, {event}, and the team decided to {plan}.
        With respect to {history}, {he} was continued on {drugname}.
        On hospital day {days}, {event}.
        """,
        follow="""
        Please <follow up|make an appointment> with Dr. {name} in {days} weeks.
        Please return to the emergency department if you develop {complaint} or {complaint}.
        You should <resume|remain on> a {diet} and take {drugname} as directed.
        """,
        mind="""
        Patient is <alert and oriented|drowsy but arousable|confused at times>, <follows commands|moves all \
        extremities>.
        {Drugname} {dose} {unit} given for <pain|agitation|anxiety> with <good|little|some> effect.
        """,
        resp="""
        Lung sounds with {finding}.
        Oxygen saturation {sat}% on {oxygen}, respiratory rate {rr}.
        Nebulizer treatments given at {time} with <good|minimal> effect.
        Suctioned for <scant|moderate|copious> <white|yellow|tan|blood-tinged> secretions.
        {Event}.
        """,
        cv="""
        Heart rate {hr}, blood pressure {bp}, <no ectopy noted|occasional ectopy>.
        {Line} remains in place and is <patent|without redness>.
        """,
        gut="""
        Abdomen <soft|softly distended> with <positive|hypoactive> bowel sounds; <tolerating|taking small \
        amounts of> {diet}.
        Urine output {output} mL for the shift, <clear|cloudy|concentrated>.
        Fingerstick glucose {glucose}, covered per sliding scale.
        """,
        technique="<A single portable view|Frontal and lateral views|Axial images> were obtained and \
        compared with {date}.",
        picture="""
        <There is|Again seen is|Note is made of> {imaging}.
        The <heart size|mediastinal contour|bony structures> <is|are> <within normal limits|stable>, with {imaging}.
        {Imaging}, <which is unchanged since|new when compared with|improved from> {date}.
        """,
    ),
)
