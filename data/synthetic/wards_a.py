"""The first four wards: heart, lungs and general medicine, trauma, newborns and mothers. Lists only."""

from data.synthetic.specialties import specialty

CARDIAC = specialty(
    diagnoses="""41071:I214:NSTEMI | 41011:I2109:anterior STEMI | 4280:I509:acute on chronic heart failure |
    42731:I4891:rapid atrial fibrillation | 4241:I350:severe aortic stenosis | 78551:R570:cardiogenic shock
    | 4260:I442:complete heart block | 4271:I472:ventricular tachycardia | 4239:I319:pericardial effusion |
    41401:I2510:three vessel coronary disease | 4254:I420:dilated cardiomyopathy | 44101:I7101:type B aortic
    dissection""",
    complaints="""crushing chest pain | substernal pressure radiating to the jaw | dyspnea on exertion |
    orthopnea | palpitations | syncope | lower extremity edema | paroxysmal nocturnal dyspnea | diaphoresis
    and nausea | weight gain of ten pounds | fatigue | lightheadedness""",
    fair="""JVP 7 cm | regular rate and rhythm | no murmurs | trace ankle edema | lungs clear to bases |
    warm extremities | distal pulses 2+ | soft systolic murmur at the apex | groin site clean without
    hematoma | irregularly irregular rhythm | faint bibasilar crackles""",
    grave="""JVP to the angle of the jaw | S3 gallop | cool mottled extremities | crackles to the mid lung
    fields | 3+ pitting edema | holosystolic murmur radiating to the axilla | thready pulses | pulsus
    paradoxus of 18 | expanding groin hematoma | narrow pulse pressure""",
    better="""chest pain free overnight | diuresed two liters | weaned off nitroglycerin | converted to
    sinus rhythm | walked the hallway without symptoms | troponins trending down | tolerated beta blocker
    uptitration | balloon pump removed without event""",
    worse="""recurrent chest pain with ST depressions | runs of nonsustained VT | hypotension requiring
    pressors | rising oxygen needs after bolus | poor urine output despite lasix drip | intubated for flash
    pulmonary edema | brief asystole with return of pulse | worsening cardiogenic shock""",
    procedures="""cardiac catheterization | drug eluting stent to the LAD | intraaortic balloon pump
    placement | dual chamber pacemaker | TEE cardioversion | transthoracic echocardiogram | coronary bypass
    grafting | right heart catheterization | pericardiocentesis | ICD implantation""",
    imaging="""ejection fraction of 35% with apical akinesis | mild cardiomegaly | moderate mitral
    regurgitation | small pericardial effusion | LVEF 55% | interstitial edema with small bilateral
    effusions | sternal wires intact | left ventricular hypertrophy | 90% mid LAD stenosis | patent grafts""",
    plans="""continue heparin drip | diurese to goal of one liter negative | uptitrate beta blocker | repeat
    echo in the morning | hold ACE inhibitor | cycle cardiac enzymes | keep K above 4 and Mg above 2 |
    cardiac surgery consult | daily weights and fluid restriction | wean dobutamine""",
    drugs="""metoprolol | lisinopril | furosemide | aspirin | clopidogrel | atorvastatin | heparin |
    amiodarone | digoxin | nitroglycerin | carvedilol | spironolactone | warfarin""",
    labs="""Na | K | BUN | Cr | TnT | BNP | Hct | INR | PTT | Mg | CK | Lac | Plt""",
)

MEDICAL = specialty(
    diagnoses="""486:J189:community acquired pneumonia | 49121:J441:COPD exacerbation | 51881:J9600:acute
    hypoxic respiratory failure | 0389:A419:sepsis | 49392:J45901:asthma exacerbation |
    41519:I2699:pulmonary embolism | 5070:J690:aspiration pneumonia | 5990:N390:urinary tract infection |
    5789:K922:upper GI bleed | 5715:K7460:decompensated cirrhosis | 5770:K8590:acute pancreatitis |
    25010:E1010:diabetic ketoacidosis""",
    complaints="""productive cough | shortness of breath for three days | fevers and chills | wheezing |
    pleuritic chest pain | melena | confusion | green sputum | diffuse abdominal pain | poor oral intake |
    dysuria | night sweats | malaise and myalgias""",
    fair="""scattered expiratory wheezes | good air movement | speaking in full sentences | coarse breath
    sounds at the right base | abdomen soft | no accessory muscle use | alert and oriented | moist mucous
    membranes | no rebound or guarding | trace wheeze with forced expiration""",
    grave="""using accessory muscles | diminished breath sounds throughout | rhonchi in all fields |
    tachypneic and tiring | obtunded | dusky nail beds | asterixis with tense ascites | cool to touch with
    delayed capillary refill | paradoxical abdominal breathing | bronchial breath sounds on the left""",
    better="""weaned to room air | afebrile for 24 hours | cultures negative to date | transitioned to oral
    antibiotics | tolerating meals | peak flows improving | sputum thinner and less | anion gap closed |
    ambulating with physical therapy""",
    worse="""required noninvasive ventilation overnight | intubated for hypercarbia | started on pressors
    after four liters | spiking through antibiotics | increasing oxygen requirement | gram negative rods in
    two of four bottles | oliguric with rising creatinine | another large melenic stool""",
    procedures="""bronchoscopy with lavage | thoracentesis | upper endoscopy | diagnostic paracentesis |
    chest physiotherapy | arterial blood gas | CT angiogram of the chest | lumbar puncture | sputum
    induction | abdominal ultrasound""",
    imaging="""right lower lobe consolidation | hyperinflated lungs with flattened diaphragms | patchy
    bibasilar opacities | moderate left effusion | no evidence of pulmonary embolism | multifocal pneumonia
    | clear lungs | nodular liver with ascites | atelectasis at the left base""",
    plans="""continue ceftriaxone and azithromycin | nebulizers every four hours | steroid taper | follow
    cultures | wean oxygen as tolerated | repeat chest film in the morning | serial hematocrits | send
    legionella antigen | pulmonary toilet | trend lactate | swallow evaluation""",
    drugs="""albuterol | ipratropium | prednisone | methylprednisolone | ceftriaxone | azithromycin |
    vancomycin | levofloxacin | tiotropium | pantoprazole | insulin glargine | cefepime""",
    labs="""WBC | Na | K | HCO3 | Cr | Lac | pH | pCO2 | pO2 | Hgb | Glu | Tbili | Alb | BUN""",
)

TRAUMA = specialty(
    diagnoses="""8088:S329XXA:pelvic fracture | 86504:S36039A:splenic laceration | 85220:S065X0A:subdural
    hematoma | 80704:S2243XA:multiple rib fractures | 8600:S270XXA:traumatic pneumothorax |
    82020:S72141A:intertrochanteric hip fracture | 82380:S82201A:open tibial fracture | 86401:S36113A:liver
    laceration | 80500:S129XXA:cervical spine fracture | 9490:T300:partial thickness burns |
    8730:S0100XA:scalp laceration | 82101:S72301A:femoral shaft fracture""",
    complaints="""motor vehicle collision at highway speed | fall from a ladder | pedestrian struck by car |
    assault with blunt object | motorcycle crash | fall down stairs | stab wound to the flank | gunshot
    wound to the thigh | crush injury at work | house fire | bicycle accident""",
    fair="""GCS 15 | moving all extremities | compartments soft | dressing dry and intact | pupils equal and
    reactive | chest wall tender | pelvis stable | incision approximated with staples | sensation intact to
    light touch | no step off along the spine | splint in place""",
    grave="""GCS 7 | unequal pupils | flail segment | distended rigid abdomen | unstable pelvis in binder |
    absent pedal pulse | massive transfusion ongoing | blood at the meatus | tense compartments | open wound
    with exposed bone | decorticate posturing""",
    better="""extubated on day two | chest tube to water seal | cervical collar cleared | drains removed |
    out of bed to chair | pain controlled on oral regimen | hematocrit stable for two days | advanced diet
    without nausea | weight bearing as tolerated""",
    worse="""returned to operating room for bleeding | six units of packed cells | damage control laparotomy
    with open abdomen | wound dehiscence | coagulopathic | acute rise in intracranial pressure | compartment
    syndrome requiring fasciotomy | ventilator associated pneumonia | fat embolism suspected""",
    procedures="""exploratory laparotomy | open reduction internal fixation | intramedullary nailing | tube
    thoracostomy | splenic artery embolization | external fixation of the pelvis | craniotomy for evacuation
    | split thickness skin graft | fasciotomy | FAST exam | irrigation and debridement""",
    imaging="""grade III splenic laceration without blush | left ribs 4 through 9 fractured | small right
    apical pneumothorax | no cervical fracture | 8 mm subdural with midline shift | hardware in good
    alignment | active extravasation in the pelvis | comminuted tibial fracture | negative FAST""",
    plans="""serial abdominal exams | hematocrit every six hours | repeat head CT in six hours | logroll
    precautions | nonweightbearing left leg | chest tube to suction | to OR for fixation | tertiary survey |
    pain service consult | physical therapy | advance diet as tolerated""",
    drugs="""cefazolin | morphine | hydromorphone | oxycodone | acetaminophen | enoxaparin | ketorolac |
    fentanyl | propofol | tranexamic acid | tetanus toxoid | docusate | gabapentin""",
    labs="""Hct | Hgb | Plt | INR | PTT | Lac | WBC | K | Ca | CK | Cr | pH | Na""",
)

NEONATAL = specialty(
    diagnoses="""7650:P0730:prematurity | 769:P220:respiratory distress syndrome |
    7742:P590:hyperbilirubinemia of prematurity | 77181:P369:neonatal sepsis | 7706:P221:transient tachypnea
    of the newborn | 7775:P779:necrotizing enterocolitis | 77081:P284:apnea of prematurity |
    7470:Q250:patent ductus arteriosus | 64251:O1410:severe preeclampsia | 66611:O721:postpartum hemorrhage
    | 77214:P5223:grade III intraventricular hemorrhage | 7756:P704:neonatal hypoglycemia""",
    complaints="""grunting and retractions after delivery | preterm labor | poor feeding | jaundice on day
    two | apnea and bradycardia spells | temperature instability | rupture of membranes | decreased fetal
    movement | meconium stained fluid | maternal fever | headache with blurred vision | vaginal bleeding""",
    fair="""anterior fontanelle soft and flat | pink and well perfused | active with good tone | mild
    subcostal retractions | soft abdomen with bowel sounds | intact suck | fundus firm | palate intact |
    femoral pulses equal | lochia scant | breath sounds clear and equal""",
    grave="""bulging fontanelle | mottled and pale | marked retractions with grunting | abdomen distended
    and discolored | hypotonic | grossly bloody stool | poor perfusion with wide pulse pressure | boggy
    uterus | brisk clonus | pooling of secretions | continuous murmur""",
    better="""weaned to nasal cannula | on full feeds by gavage | gained 25 grams | no spells in 24 hours |
    phototherapy stopped | extubated to CPAP | moved to open crib | bottling all feeds | blood pressure
    normalised after magnesium""",
    worse="""reintubated for apnea | feeds held for bilious aspirates | needed high frequency ventilation |
    dopamine started | multiple bradycardic spells | persistent metabolic acidosis | pneumatosis on film |
    seizure activity noted | transfused 15 mL/kg""",
    procedures="""umbilical line placement | surfactant administration | phototherapy | head ultrasound |
    exchange transfusion | hearing screen | car seat test | cesarean delivery | lumbar puncture | eye exam
    for retinopathy | circumcision""",
    imaging="""ground glass lung fields | low lung volumes with air bronchograms | normal head ultrasound |
    moderate ductus with left to right shunt | nonspecific bowel gas pattern | fluid in the fissure | small
    germinal matrix bleed | lines in good position | dilated loops""",
    plans="""advance feeds by 20 mL/kg/day | caffeine until 34 weeks | check bilirubin in the morning | wean
    CPAP as tolerated | 48 hour rule out | repeat head ultrasound at one week | daily weights | lactation
    support | family meeting | fortify breast milk to 24 calories""",
    drugs="""ampicillin | gentamicin | caffeine citrate | surfactant | vitamin K | ferrous sulfate |
    magnesium sulfate | labetalol | betamethasone | nifedipine | oxytocin | erythromycin""",
    labs="""Tbili | Glu | Hct | Plt | WBC | pH | pCO2 | HCO3 | Ca | Na | K | CRP""",
)
