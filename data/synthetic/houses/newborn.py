"""A mothers' and newborns' hospital: gentle lower case, day-of-life counts, weights in grams, dashes, no colons."""

from data.synthetic.houses.house import House, phrases, sections
from data.synthetic.wards_a import NEONATAL

NEWBORN = House(
    name="St. Brigid Women and Infants",
    unit="NICU",
    service="NB",
    ward=NEONATAL,
    age=(0.0, 0.0),
    deaths=-0.1,
    drug="{drugname} {dose} {unit} {freq} {route}",
    lab="{labfull} {value}",
    bullet="~ ",
    after_heading=" -- ",
    between="\n",
    case="lower",
    notes={
        "Physician": sections("""
        neonatology attending note dol {days}, pma {weeks} wks ; none ; prose ; 0-0 ; 1
        weight ; growth ; prose ; 1-2 ; 1
        resp ; resp ; prose ; 1-3 ; 1
        cv ; cv ; prose ; 1-2 ; 0.9
        fen ; feeds ; prose ; 1-3 ; 1
        heme and bili ; labs ; prose ; 3-6 ; 0.9
        id ; infection ; prose ; 1-2 ; 0.6
        neuro ; mind ; prose ; 1-2 ; 0.6
        on exam ; exam ; prose ; 2-5 ; 0.9
        social ; family ; prose ; 1-2 ; 0.7
        imp ; summary ; prose ; 1-1 ; 1
        plans ; plan ; bullets ; 2-4 ; 0.9
        """),
        "Discharge summary": sections("""
        nicu summary ; ids ; prose ; 1-1 ; 1
        mother ; mother ; prose ; 2-4 ; 1
        delivery ; delivery ; prose ; 2-3 ; 1
        hospital course by system ; course ; bullets ; 3-6 ; 1
        labs ; labs ; prose ; 3-6 ; 0.7
        exam on leaving ; exam ; prose ; 2-4 ; 0.8
        care plans ; follow ; bullets ; 2-4 ; 0.9
        """),
        "Nursing": sections("""
        nicu npn {clock} ; none ; prose ; 0-0 ; 1
        1 resp ; resp ; prose ; 1-3 ; 1
        2 fen ; feeds ; prose ; 2-3 ; 1
        3 parenting ; family ; prose ; 1-3 ; 0.9
        4 g/d ; mind ; prose ; 1-3 ; 0.9
        5 bili/id ; infection ; prose ; 1-2 ; 0.6
        """),
        "Radiology": sections("""
        babygram / head us {date} ; none ; prose ; 0-0 ; 1
        history ; summary ; prose ; 1-1 ; 1
        views ; picture ; prose ; 2-4 ; 1
        so ; picture ; prose ; 1-2 ; 1
        """),
    },
    phrases=phrases(
        growth="""
        {grams} grams, <up|down> {days}0 from yesterday.
        wt {grams} g (<10|25|50>th %ile), hc {weeks} cm.
        """,
        resp="""
        infant on {support}, fio2 {fio2}%, <sats|o2 sats> {sat}, rr {babyrate}s to {babyrate}s.
        ls <clear and =|coarse>, {finding}.
        <no|{days}> spells <so far this shift|in past 24 hours>, <self resolved|mild stim needed|qsr>.
        {event}.
        last gas {ph}/{pco2}.
        """,
        cv="""
        hr {babyhr}s, <soft murmur|no murmur|loud murmur>, bp {babybp}, <pink|pale|ruddy> and <well perfused|mottled>.
        {finding}.
        """,
        feeds="""
        tf {tf} cc/k/d of <bm 20|bm 24|pe 22|sc 20|d10 pn> <po/pg|pg|iv>, <tol well|sm spits|asp {days} cc>.
        abd <benign|full but soft>, girth {weeks}, +bs, <stooling|no stool>, voiding {days} cc/k/h.
        dstik {glucose}. {event}.
        bottled {days}0 cc <with good coordination|slowly, tires>.
        """,
        labs="{lab},",
        infection="""
        cbc with wbc {wbc}, <no left shift|left shift>; blood culture <pending|neg to date>.
        on {drugname} day {days}<, level pending|, course to finish on {date}>.
        <single|double> phototherapy, eye shields on; bili {bili}.
        """,
        mind="""
        <alert and active|sleepy|irritable> with cares, temp stable in <isolette|open crib|warmer>.
        <font|af> <soft and flat|s/f>, sucks on pacifier, <maew|brings hands to face>; {finding}.
        head us on {date} <with|showed> {imaging}.
        """,
        exam="""
        {finding}, {finding}.
        <heent|chest|abd|skin|tone> - {finding}.
        """,
        family="""
        <mom|dad|parents|grandmother> in to visit at {clock}, <held baby|did cares|asked good \
        questions|updated at bedside>.
        <mom pumping|mom called x{days}|first kangaroo care today|family meeting on {date} with dr. {name}>.
        """,
        summary="""
        {weeks} wk <infant|twin|preemie> now dol {days} with {dx}, {event}.
        former {grams} g {weeks} week <boy|girl> with {dx} and {finding}.
        """,
        plan="""
        {plan}.
        <will|to> {plan}<, {plan}|>.
        {drugname} {dose} {unit}; follow {labname}.
        """,
        ids="baby <boy|girl> {name}, born {date}, birth weight {grams} g at {weeks} weeks, leaves for home \
        or {place} {date}",
        mother="""
        born to a {momage} y/o g{days} p{days} mother, <o+|a-|b+>, <gbs unknown|gbs neg|gbs pos>, hbsag neg.
        pregnancy <notable for|complicated by> {complaint}.
        mother with {history}, took {drugname}.
        <betamethasone complete|no steroids|magnesium given> before delivery.
        """,
        delivery="""
        <c-section|vaginal birth|stat section> for {complaint}, apgars {days} and {days}.
        infant emerged <vigorous|limp|with weak cry>, needed <stim only|bag mask|ppv|intubation>; {finding}.
        to nicu on {support} for {dx}.
        """,
        course="""
        resp - {event}; off {support} on dol {days}.
        cv - {finding}, {drugname} given.
        fen - {event}; wt now {grams} g.
        heme - peak {labname} {value1}.
        id - {drugname} x{days} days for {dx}.
        neuro - {procedure} on {date} with {imaging}.
        """,
        follow="""
        pedi dr. {name} in {days} days.
        {procedure} <done|passed|to be repeated>.
        <vna|early intervention|infant follow up program> referral made.
        feeds <ad lib|every {days} hours> with <breast milk|formula|{diet}>; {drugname} {dose} {unit} daily.
        """,
        picture="""
        {imaging}.
        {imaging}, ett tip at t{days}, <ugt|uvc> ok.
        compared with {date}, {imaging}.
        """,
    ),
)
