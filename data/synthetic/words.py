"""Vocabulary that every hospital shares: drugs, laboratory tests, history, people, places, times.

Plain lists, no sentences. Not for what marks one specialty (specialties.py) or one house's style (styles).
"""

from __future__ import annotations

import dataclasses


def items(text: str) -> tuple[str, ...]:
    """The ``|``-separated items of ``text``, whitespace and line breaks normalised."""
    return tuple(" ".join(item.split()) for item in text.split("|") if item.strip())


def lines(text: str) -> tuple[str, ...]:
    """The lines of ``text`` that hold something: for templates, whose alternatives use ``|`` themselves."""
    return tuple(" ".join(line.split()) for line in text.splitlines() if line.strip())


@dataclasses.dataclass(frozen=True)
class Drug:
    """A drug with the doses and routes it is written with."""

    name: str
    doses: tuple[str, ...]
    unit: str
    routes: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Lab:
    """A laboratory test: its value is normal(mean + slope * severity, sd), never below ``low``."""

    name: str
    short: str
    unit: str
    mean: float
    sd: float
    slope: float
    decimals: int
    low: float


def _drugs(text: str) -> dict[str, Drug]:
    found: dict[str, Drug] = {}
    for item in items(text):
        name, doses, unit, routes = item.split(":")
        found[name] = Drug(name, tuple(doses.split(",")), unit, tuple(routes.split(",")))
    return found


DRUGS = _drugs("""
metoprolol:12.5,25,50,100:mg:PO,IV | lisinopril:2.5,5,10,20,40:mg:PO | furosemide:20,40,60,80:mg:IV,PO |
aspirin:81,162,325:mg:PO | clopidogrel:75,300:mg:PO | atorvastatin:10,20,40,80:mg:PO |
heparin:500,800,1000:units/hr:IV | warfarin:1,2.5,3,5,7.5:mg:PO | amiodarone:200,400:mg:PO,IV |
digoxin:0.125,0.25:mg:PO | diltiazem:30,60,120:mg:PO | norepinephrine:0.05,0.1,0.2:mcg/kg/min:IV |
dobutamine:2.5,5:mcg/kg/min:IV | nitroglycerin:0.3,0.4:mg:SL | spironolactone:12.5,25,50:mg:PO |
carvedilol:3.125,6.25,12.5,25:mg:PO | albuterol:2.5,5:mg:NEB | ipratropium:0.5:mg:NEB |
prednisone:5,10,20,40,60:mg:PO | methylprednisolone:40,60,125:mg:IV | ceftriaxone:1,2:g:IV |
azithromycin:250,500:mg:PO,IV | vancomycin:750,1000,1250:mg:IV | levofloxacin:250,500,750:mg:PO,IV |
piperacillin-tazobactam:3.375,4.5:g:IV | cefepime:1,2:g:IV | meropenem:500,1000:mg:IV |
metronidazole:250,500:mg:IV,PO | guaifenesin:300,600:mg:PO | tiotropium:18:mcg:INH |
fluticasone:110,220:mcg:INH | pantoprazole:20,40:mg:PO,IV | omeprazole:20,40:mg:PO | insulin
glargine:8,10,14,20,26:units:SC | insulin lispro:2,4,6,8:units:SC | metformin:500,850,1000:mg:PO |
glipizide:2.5,5,10:mg:PO | levothyroxine:25,50,75,88,112:mcg:PO | acetaminophen:325,500,650,1000:mg:PO |
ibuprofen:400,600,800:mg:PO | morphine:1,2,4,15:mg:IV,PO | ketorolac:15,30:mg:IV |
hydromorphone:0.2,0.5,1,2:mg:IV,PO | oxycodone:2.5,5,10:mg:PO | fentanyl:12.5,25,50:mcg:IV |
gabapentin:100,300,600:mg:PO | cefazolin:1,2:g:IV | enoxaparin:30,40,60,80:mg:SC | tranexamic acid:1:g:IV |
propofol:10,20,30:mcg/kg/min:IV | midazolam:1,2:mg:IV | docusate:100:mg:PO | senna:8.6,17.2:mg:PO |
ondansetron:4,8:mg:IV,PO | tetanus toxoid:0.5:mL:IM | ampicillin:50,100:mg/kg:IV |
gentamicin:2.5,4,5:mg/kg:IV | caffeine citrate:5,10,20:mg/kg:IV,PO | oxytocin:10,20:units:IV |
surfactant:2.5,4:mL/kg:ETT | vitamin K:0.5,1:mg:IM | ferrous sulfate:2,3,325:mg:PO | magnesium
sulfate:2,4,6:g:IV | labetalol:100,200:mg:PO,IV | betamethasone:12:mg:IM | nifedipine:10,20,30:mg:PO |
erythromycin:1:strip:OU | levetiracetam:500,750,1000,1500:mg:PO,IV | phenytoin:100,300:mg:PO,IV |
alteplase:50,90:mg:IV | mannitol:25,50,100:g:IV | nimodipine:30,60:mg:PO | valproate:250,500,750:mg:PO |
lorazepam:0.5,1,2:mg:IV,PO | baclofen:5,10,20:mg:PO | donepezil:5,10:mg:PO | dexamethasone:2,4,6,10:mg:PO,IV
| filgrastim:300,480:mcg:SC | allopurinol:100,300:mg:PO | fluconazole:100,200,400:mg:PO |
acyclovir:400,800:mg:PO,IV | methotrexate:10,15,25:mg:PO,IV | cisplatin:75,100:mg/m2:IV |
rituximab:375:mg/m2:IV | prochlorperazine:5,10:mg:PO,IV | megestrol:400,800:mg:PO | sevelamer:800,1600:mg:PO
| calcitriol:0.25,0.5:mcg:PO | epoetin:4000,10000:units:SC | sodium bicarbonate:650,1300:mg:PO |
tacrolimus:0.5,1,2,3:mg:PO | mycophenolate:250,500,750:mg:PO | amlodipine:2.5,5,10:mg:PO |
hydralazine:10,25,50:mg:PO | kayexalate:15,30:g:PO | sertraline:25,50,100,150:mg:PO |
quetiapine:25,50,100,200:mg:PO | risperidone:0.5,1,2,3:mg:PO | trazodone:50,100:mg:PO |
lithium:300,450,600:mg:PO | haloperidol:1,2,5:mg:IM,PO | olanzapine:5,10,15:mg:PO |
thiamine:100,500:mg:IV,PO | folic acid:1:mg:PO | chlordiazepoxide:10,25,50:mg:PO | naloxone:0.4:mg:IV |
clonazepam:0.25,0.5,1:mg:PO
""")

FREQUENCIES = items("daily | BID | TID | QID | q4h | q6h | q8h | q12h | QHS | QAM | PRN | once | weekly | x1 | ATC")


def _labs(text: str) -> dict[str, Lab]:
    found: dict[str, Lab] = {}
    for item in items(text):
        name, short, unit, mean, sd, slope, decimals, low = (part.strip() for part in item.split(","))
        found[short] = Lab(name, short, unit, float(mean), float(sd), float(slope), int(decimals), float(low))
    return found


LABS = _labs("""
sodium,Na,mEq/L,138,4,-0.8,0,112 | potassium,K,mEq/L,4.1,0.5,0.15,1,2.3 | chloride,Cl,mEq/L,103,4,0.5,0,80 |
bicarbonate,HCO3,mEq/L,25,3,-1.8,0,6 | urea nitrogen,BUN,mg/dL,20,8,8,0,3 |
creatinine,Cr,mg/dL,1.1,0.4,0.4,1,0.2 | glucose,Glu,mg/dL,126,32,12,0,38 |
calcium,Ca,mg/dL,8.9,0.6,-0.2,1,5.8 | magnesium,Mg,mg/dL,2.0,0.3,0,1,0.9 |
phosphate,PO4,mg/dL,3.4,0.8,0.4,1,0.8 | white cells,WBC,K/uL,9.8,3.5,2.0,1,0.3 |
hemoglobin,Hgb,g/dL,11.4,1.8,-0.7,1,4.2 | hematocrit,Hct,%,34,5,-2,1,14 | platelets,Plt,K/uL,225,75,-28,0,6
| lactate,Lac,mmol/L,1.6,0.6,1.0,1,0.4 | prothrombin ratio,INR,,1.2,0.3,0.25,1,0.8 | partial thromboplastin
time,PTT,sec,31,7,4,1,18 | troponin,TnT,ng/mL,0.24,0.3,0.3,2,0.01 | natriuretic
peptide,BNP,pg/mL,640,420,380,0,12 | albumin,Alb,g/dL,3.4,0.5,-0.3,1,1.2 |
bilirubin,Tbili,mg/dL,1.0,0.7,0.7,1,0.1 | aspartate transaminase,AST,U/L,38,20,28,0,8 | alanine
transaminase,ALT,U/L,34,18,22,0,6 | alkaline phosphatase,AlkP,U/L,92,30,12,0,22 | arterial
pH,pH,,7.38,0.04,-0.04,2,6.88 | carbon dioxide tension,pCO2,mmHg,42,7,3,0,18 | oxygen
tension,pO2,mmHg,88,22,-7,0,38 | creatine kinase,CK,U/L,240,160,140,0,20 | lipase,Lip,U/L,42,24,14,0,5 |
C-reactive protein,CRP,mg/L,38,28,26,0,1 | phenytoin level,PHT,mcg/mL,12,4,0,1,1 |
ammonia,NH3,umol/L,36,16,12,0,9 | thyrotropin,TSH,uIU/mL,2.4,1.2,0,1,0.1 | uric
acid,UA,mg/dL,6.1,1.8,0.6,1,1.5 | neutrophils,ANC,K/uL,4.2,2.0,-0.8,1,0.0 |
dehydrogenase,LDH,U/L,260,90,80,0,90 | parathyroid hormone,PTH,pg/mL,160,90,30,0,10 |
ferritin,Fer,ng/mL,210,140,60,0,8 | lithium level,Li,mmol/L,0.8,0.3,0.1,1,0.1 | hemoglobin
A1c,A1c,%,6.9,1.4,0,1,4.6
""")

HISTORY = items("""
hypertension | type 2 diabetes mellitus | hyperlipidemia | coronary artery disease | atrial fibrillation |
asthma | anemia | chronic kidney disease stage 3 | hypothyroidism | obesity | depression | anxiety | GERD |
osteoarthritis | gout | migraine | prior stroke | peripheral vascular disease | obstructive sleep apnea |
tobacco use | alcohol use | hepatitis C | psoriasis | benign prostatic hyperplasia | osteoporosis | glaucoma
| breast cancer s/p lumpectomy | colon polyps | diverticulosis | cholecystectomy | appendectomy |
hysterectomy | total knee replacement | hip fracture repair | C-section | tonsillectomy | cataract surgery |
inguinal hernia repair | deep vein thrombosis | pulmonary embolism | seizure disorder | latex allergy |
penicillin allergy | sulfa allergy | chronic low back pain | rheumatoid arthritis | mild dementia | hearing
loss
""")

SOCIAL = items("""
lives alone | lives with a spouse | lives with a daughter | is a retired teacher | is a retired electrician |
works as a cook | used to smoke | never smoked | quit smoking ten years ago | smokes one pack per day |
drinks socially | denies alcohol | walks with a cane | is independent | uses a walker | lives in a nursing home |
has two adult children | was recently widowed | drives a truck | farms | works in an office | studies nursing |
emigrated as a child | named a sister as health care proxy | sat with a son at the bedside |
speaks Spanish through an interpreter | uses no illicit drugs
""")

FAMILY_NAMES = items("""
Abrams | Okafor | Lindqvist | Moreau | Castellano | Nakamura | Petrov | Haddad | Whitfield | Osei |
Brannigan | Dvorak | Eklund | Ferreira | Goldstein | Hargrove | Ibarra | Janssen | Kowalski | Lambert |
Mbeki | Novak | Ortega | Pham | Quigley | Rahman | Sato | Thorne | Underhill | Varga | Weiss | Xu | Yilmaz |
Zhou | Delgado | Fitzgerald | Marchetti | Sorensen | Tanaka | Achebe
""")

PLACES = items("""
Location (un) | Hospital1 | Hospital2 | Hospital3 | Hospital6 | Ward Name | Wards | Street Address |
Hospital Unit Name | State | Location | Country | Company | University/College | Doctor First Name | Last
Name (un) | Name (NI) | First Name (STitle)
""")

ANATOMY = items("""
left arm | right arm | left leg | right leg | abdomen | chest | neck | lower back | head | left hip | right
hip | left knee | right shoulder | left wrist | right ankle | flank | epigastrium | left lower quadrant |
right upper quadrant | sternum | scalp | sacrum | left heel | right heel | groin | oral mucosa | left foot |
right hand | jaw | left eye | both lower extremities
""")

DIETS = items("""
regular diet | cardiac diet | NPO | clear liquids | soft solids | diabetic diet | renal diet | low sodium
diet | tube feeds | pureed diet with thickened liquids | breast milk | formula | full liquids | NPO after
midnight | low residue diet
""")

LINES = items("""
20G peripheral IV | right IJ central line | PICC | radial arterial line | foley catheter | nasogastric tube
| chest tube | tunneled dialysis catheter | midline | port | femoral line | umbilical venous catheter |
endotracheal tube | JP drain | left subclavian line
""")
