"""Phrases that every house uses now and then: the structure the hospitals have in common."""

from data.synthetic.houses.house import phrases

SHARED = phrases(
    story="""
    <Patient|The patient|Pt> is a {age} year old {sex} with {history} who <presents|presented> with {complaint}.
    {He} has a history of {history} and {history}.
    <Denies|No> {othercomplaint} or {othercomplaint}.
    On arrival {he} was found to have {finding}.
    {He} was started on {drugname} and {drugname}.
    <Transferred|Sent> from {place} for further <care|management|evaluation>.
    Symptoms <began|started> {days} days <ago|prior to admission>.
    """,
    course="""
    {He} underwent {procedure} on {date}<| without complication>.
    Overnight, {event}.
    {Event}, {event}.
    {Drugname} was <started|added|increased|stopped> for {dx}.
    <Imaging|The study> showed {imaging}.
    """,
    exam="""
    {finding}
    {finding}, {finding}
    """,
    plan="""
    {plan}
    <Will|We will> {plan}
    {plan}, {plan}
    """,
    picture="""
    There is {imaging}.
    {Imaging}.
    Compared to {date}, {imaging}.
    """,
    nursing="""
    {Event}.
    {line} <in place|intact|patent>.
    Family <at bedside|updated by phone|visited>.
    Will <continue to monitor|follow>.
    """,
)
