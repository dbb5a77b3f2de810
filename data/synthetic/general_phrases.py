"""Sentences and shapes for general.py: textbook, letters, research, conversation, questions.

Deliberately of other kinds than a hospital's notes. Slots are filled from all wards alike.
"""

from data.synthetic.words import items, lines

MONTHS = items("January | February | March | April | May | June | July | August | September | October")

SENTENCES = lines("""
{drug} is <commonly|often|rarely|sometimes> <used|given|prescribed> <in|for> patients with {diagnosis}
in adults, the usual <dose|starting dose|maintenance dose> of {drug} is {dose} {frequency} by the {route} route
{diagnosis} should be suspected when someone reports {complaint} or when {fair} is absent
a study of {number} people with {diagnosis} found that {number} had {imaging}
what causes {complaint}? one answer is {diagnosis}, another is {diagnosis}
the {lab} rises in {diagnosis} and falls after {procedure}
never combine {drug} with {drug} unless the {lab} is known
dear doctor {name}, thank you for sending this person with {history} to our clinic on {date}
students often confuse {diagnosis} with {diagnosis}; the difference lies in {grave}
on {date} the committee reviewed {number} cases of {diagnosis} at {place}
before {procedure}, ask about {history}, {history} and {drug}
when {worse}, call for help, check the {lab} and prepare for {procedure}
she asked why her {anatomy} hurt, and he said that it might be {diagnosis}
my father has {history} and takes {drug} {dose} {frequency}; is {procedure} safe for him?
nurses measured the {lab} every {number} hours and wrote {number} {unit} on the chart
risk factors <include|are|were>: {history}, {history}, and {history}
the picture showed {imaging}, which <suggests|excludes|does not prove> {diagnosis}
good signs are {better} and {fair}; bad signs are {grave} and {worse}
guidelines <recommend|advise|no longer recommend> {plan} within {number} hours of {procedure}
he {social}, has {history}, and came on {date} because of {complaint}
if the {lab} is above {number} {unit}, then {plan}; otherwise {plan}
about {number} of those treated with {drug} had {complaint} within {number} days
the {line} was placed in the {anatomy} under local anesthesia
after {procedure} most people can start a {diet} and {plan}
patients who were {fair} did well, while those with {grave} often died or went to another unit
examination of the {anatomy} may reveal {grave}, {fair} or nothing at all
she had no {complaint}, no {complaint} and no {history} before {date}
the team in {place} decided to {plan} and to stop {drug}
{name} and {name} ({date}) compared {drug} with {drug} in {diagnosis}
remember: {procedure} carries a risk of {worse} in roughly {number} of cases
the pharmacist reminded us that {drug} comes as {dose} and {dose} tablets
was admitted, was seen, was given {drug}, was noted to have {grave}, was told to return
the word {house} means something else here than the word {house}
the patient's daughter said that the {word} was {word} and the {word} had been {word}
it was a {word} {word} for the {word}, because the {word} of the {anatomy} was {word}
this {number} year old man with {history} has {diagnosis}
pt has {fair}, {fair}, and {grave}; {plan}, {plan}
give {drug} {dose} {route} {frequency} and recheck the {lab} at {number}
{lab} {number}, {lab} {number}, {lab} {number}, then {number} on {date}
there is no {imaging} and there was no change since {date}
both {anatomy} and {anatomy} were examined; the rest of the visit was about {diet}
according to the family, the {anatomy} became painful {number} days before {complaint} began
temperature {number}, pulse {number}, pressure {number}, breaths {number}, saturation {number} on {number} liters
""")

ITEMS = items("""
{drug} | {drug} {dose} | {drug} {dose} {route} {frequency} | {lab} {number} | {lab} {number} {unit} |
{lab} = {number} | {code} | {code} {diagnosis} | {diagnosis} | {history} | {complaint} | {fair} | {grave}
| {better} | {worse} | {procedure} | {imaging} | {plan} | {social} | {number} | {number} {number} {number}
| {date} | {date} {number} | {anatomy} | {line} | {diet} | {name} | {name}, {name} | {place} | {house} |
{house} {house} {house} | {word} {word} | {number} {unit} | ({number}) | [{anything}] | {anything} |
{anything} | {anatomy} {number} | {house} {number} | {house} {anything} | {frequency} {number} | {date}
{anything} | "{anything}" | {word}-{word}
""")

BULLETS = (
    "",
    "",
    "- ",
    "* ",
    "#. ",
    "#) ",
    "+ ",
    "> ",
    ".. ",
    "# ",
    "--",
    "\t",
    "(#) ",
    "o ",
    "~ ",
    "[#] ",
    "[[",
    "· ",
)
SEPARATORS = (
    " ",
    ", ",
    ": ",
    " - ",
    "\t",
    " | ",
    "; ",
    "/",
    "...",
    " = ",
    "    ",
    " -> ",
    " // ",
    " -- ",
    " → ",
    " ↑ ",
    "↓",
    ") ",
    "] ",
    " & ",
    "@",
)
COLONS = (": ", ":", " - ", ":\n", " = ", "\t", " ", ":: ", " -- ", ": \n")

PLAIN_WORDS = items("""
about | above | after | again | against | all | also | always | and | another | any | are | area | around |
as | asked | at | away | back | be | because | bed | been | before | below | best | better | between | both
| brought | but | by | called | came | can | care | case | change | chart | check | clear | close | cold |
come | consider | continue | could | course | day | days | decided | did | difficult | does | done | down |
due | during | each | early | either | end | enough | evening | event | every | examined | family | far |
felt | few | final | find | first | follow | for | found | from | full | further | gave | general | given |
goal | good | had | half | has | have | he | held | help | her | here | high | him | his | history | home |
hour | hours | how | if | improved | in | increased | into | is | issue | it | its | just | keep | kept |
knew | known | large | last | late | later | least | left | less | like | likely | little | long | low |
made | make | many | may | mild | minutes | more | morning | most | moved | much | must | near | need |
never | new | next | night | no | none | normal | not | note | noted | nothing | now | of | off | often |
old | on | once | one | only | open | or | order | other | our | out | over | own | pain | past | patient |
person | place | plan | present | prior | problem | quiet | quite | rate | rather | read | reason | remains
| report | required | rest | result | return | review | right | room | said | same | saw | second | see |
seen | sent | several | severe | she | short | should | showed | side | since | small | so | some | soon |
stable | start | started | state | status | stayed | still | stopped | such | taken | team | than | that |
the | their | them | then | there | these | they | this | though | three | through | time | to | today |
together | told | tomorrow | too | took | toward | treated | two | under | until | up | upon | use | usual |
very | visit | wait | was | week | weeks | well | went | were | what | when | where | which | while | who |
why | will | with | within | without | woman | would | year | yesterday | yet | you
""")
