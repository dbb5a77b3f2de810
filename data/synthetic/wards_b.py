"""Four more wards, for consortia of five to eight: nerves, cancer, kidneys, minds. Lists only."""

from data.synthetic.specialties import specialty

NEURO = specialty(
    diagnoses="""43491:I639:acute ischemic stroke | 430:I609:subarachnoid hemorrhage |
    431:I619:intracerebral hemorrhage | 3453:G40901:status epilepticus | 3570:G610:Guillain Barre syndrome |
    340:G35:multiple sclerosis flare | 3481:G931:anoxic brain injury | 3239:G0490:encephalitis |
    4350:G459:transient ischemic attack | 35801:G7001:myasthenic crisis | 3320:G20:Parkinson disease |
    2252:D329:meningioma""",
    complaints="""sudden left sided weakness | worst headache of life | slurred speech | witnessed
    generalized seizure | double vision | ascending numbness | word finding difficulty | gait instability |
    facial droop | vertigo with vomiting | found unresponsive""",
    fair="""follows two step commands | no drift | visual fields full | mild dysarthria | strength 4+ on the
    left | toes downgoing | naming intact | NIHSS 3 | extraocular movements intact | reflexes 2+ and
    symmetric | finger to nose smooth""",
    grave="""NIHSS 22 | fixed gaze deviation | extensor posturing | no withdrawal to pain | blown right
    pupil | dense hemiplegia | global aphasia | absent gag | Cheyne-Stokes respirations | neck stiffness""",
    better="""speech clearer today | passed swallow screen | seizure free for 48 hours | drain clamped and
    tolerated | moving left hand | follows commands consistently | vasospasm resolved | started
    rehabilitation""",
    worse="""hemorrhagic conversion on repeat scan | herniation treated with mannitol | intubated for airway
    protection | refractory seizures on two agents | worsening edema with shift | new fever of central
    origin | declining vital capacity | ventriculitis suspected""",
    procedures="""mechanical thrombectomy | external ventricular drain | continuous EEG | aneurysm coiling |
    lumbar puncture | plasma exchange | carotid ultrasound | hemicraniectomy | MRI brain with contrast |
    transcranial doppler""",
    imaging="""right MCA territory infarct | diffuse subarachnoid blood | no acute intracranial process | 3
    cm basal ganglia hemorrhage | white matter plaques | left M1 occlusion | ventricles stable in size |
    chronic small vessel disease | mild midline shift""",
    plans="""neuro checks every two hours | permissive hypertension | hold anticoagulation | load
    levetiracetam | statin and aspirin | vasospasm watch | speech and swallow consult | repeat imaging for
    any change | keep sodium above 140 | head of bed at 30 degrees""",
    drugs="""levetiracetam | phenytoin | alteplase | mannitol | nimodipine | valproate | lorazepam |
    baclofen | donepezil | aspirin | atorvastatin | labetalol | dexamethasone""",
    labs="""Na | Glu | PHT | INR | PTT | Plt | WBC | NH3 | Hct | Cr | TSH | pCO2""",
)

ONCOLOGY = specialty(
    diagnoses="""20280:C8590:diffuse large B cell lymphoma | 20500:C9200:acute myeloid leukemia |
    1629:C3490:lung adenocarcinoma | 1749:C50919:metastatic breast cancer | 28803:D701:febrile neutropenia |
    1570:C250:pancreatic adenocarcinoma | 20300:C9000:multiple myeloma | 1539:C189:colon cancer |
    1977:C787:liver metastases | 27788:E883:tumor lysis syndrome | 1985:C7951:bone metastases with cord
    compression | 185:C61:prostate cancer""",
    complaints="""fever after chemotherapy | mouth sores | worsening bone pain | weight loss of twenty
    pounds | easy bruising | intractable nausea | neck mass | failure to thrive | back pain with leg
    weakness | early satiety | painless jaundice""",
    fair="""port site without erythema | no palpable nodes | mild mucositis | ECOG 1 | no petechiae |
    nontender abdomen | thin but comfortable | clear oropharynx | small left axillary node | alopecia""",
    grave="""ECOG 4 | cachectic | grade 4 mucositis | bulky cervical adenopathy | petechiae over both legs |
    firm nodular liver | rigors during the exam | temporal wasting | saddle anesthesia""",
    better="""counts recovering | defervesced on day three | pain controlled with long acting agent |
    completed cycle without reaction | eating small meals | tumor markers falling | transfusion independent""",
    worse="""blasts rising on smear | neutropenic and febrile on day ten | progression through second line |
    platelets refractory to transfusion | hypoxic with new infiltrates | malignant effusion reaccumulated |
    uncontrolled hypercalcemia | family discussing comfort measures""",
    procedures="""bone marrow biopsy | port placement | cycle two of R-CHOP | radiation to the spine |
    therapeutic thoracentesis | CT guided biopsy | PET scan | intrathecal chemotherapy | platelet
    transfusion | stem cell infusion""",
    imaging="""interval decrease in adenopathy | new hepatic lesions | spiculated right upper lobe mass |
    lytic lesions in the spine | FDG avid nodes | no evidence of progression | large malignant effusion |
    stable pulmonary nodules""",
    plans="""broad spectrum antibiotics until count recovery | daily tumor lysis labs | transfuse for
    platelets below ten | palliative care consult | antiemetics around the clock | rasburicase if uric acid
    rises | restaging scan after cycle three | nutrition consult | hold chemotherapy""",
    drugs="""filgrastim | allopurinol | fluconazole | acyclovir | methotrexate | cisplatin | rituximab |
    prochlorperazine | ondansetron | megestrol | cefepime | morphine | dexamethasone""",
    labs="""ANC | Plt | Hgb | LDH | UA | K | PO4 | Ca | Cr | Alb | Tbili | WBC""",
)

RENAL = specialty(
    diagnoses="""5845:N170:acute tubular necrosis | 5856:N186:end stage renal disease |
    2767:E875:hyperkalemia | 5804:N009:rapidly progressive glomerulonephritis | 99681:T8611:kidney
    transplant rejection | 40391:I120:hypertensive nephrosclerosis | 5810:N049:nephrotic syndrome |
    59080:N10:pyelonephritis | 2761:E871:hyponatremia | 5920:N200:obstructing kidney stone |
    99673:T82868A:clotted fistula | 58381:N088:lupus nephritis""",
    complaints="""decreased urine output | flank pain | missed two dialysis sessions | foamy urine |
    generalized swelling | gross hematuria | pruritus | hiccups and nausea | muscle cramps | metallic taste
    | fistula without thrill""",
    fair="""fistula with good thrill and bruit | no asterixis | at dry weight | 1+ pedal edema | graft
    nontender | clear yellow urine | euvolemic | catheter site clean | no pericardial rub""",
    grave="""pericardial friction rub | anasarca | uremic frost | peaked T waves | encephalopathic |
    Kussmaul breathing | anuric | tense scrotal edema | tender swollen graft""",
    better="""tolerated three hours of dialysis | urine output picking up | potassium corrected | creatinine
    plateaued | tacrolimus level at goal | two liters removed | fistula declotted""",
    worse="""hypotensive on dialysis | started continuous renal replacement | potassium of 7 with widened
    QRS | biopsy shows crescents | line sepsis | creatinine doubling daily | pulmonary edema between
    sessions""",
    procedures="""hemodialysis | tunneled catheter placement | renal biopsy | fistulogram | nephrostomy tube
    | continuous venovenous hemofiltration | renal ultrasound | plasmapheresis | peritoneal dialysis
    exchange""",
    imaging="""small echogenic kidneys | moderate right hydronephrosis | patent graft vessels | no
    hydronephrosis | 6 mm stone at the ureterovesical junction | stenosis at the anastomosis | perinephric
    stranding""",
    plans="""dialysis tomorrow with two liters off | renally dose all medications | hold nephrotoxins |
    strict ins and outs | low potassium diet | pulse steroids | follow urine eosinophils | check vancomycin
    trough before dialysis | vascular access team to see""",
    drugs="""sevelamer | calcitriol | epoetin | sodium bicarbonate | tacrolimus | mycophenolate | amlodipine
    | hydralazine | kayexalate | furosemide | prednisone | vancomycin""",
    labs="""K | BUN | Cr | HCO3 | PO4 | Ca | PTH | Hgb | Fer | Na | Alb | Mg""",
)

PSYCHIATRY = specialty(
    diagnoses="""29633:F332:severe recurrent depression | 29181:F10239:alcohol withdrawal |
    29534:F200:paranoid schizophrenia | 29644:F312:bipolar mania | 9654:T391X2A:acetaminophen overdose |
    2930:F05:delirium | 30401:F1120:opioid use disorder | 3071:F5000:anorexia nervosa |
    30981:F4310:posttraumatic stress disorder | 9694:T424X2A:benzodiazepine overdose | 2989:F29:psychosis
    not otherwise specified | 29411:F0281:dementia with agitation""",
    complaints="""thoughts of ending her life | hearing voices | not sleeping for four days | tremor and
    sweats | ingestion of unknown pills | agitation at the nursing home | refusing food | paranoia about
    neighbors | panic attacks | relapse after six months sober""",
    fair="""calm and cooperative | mood improved | linear thought process | denies hallucinations | good eye
    contact | speech normal in rate | future oriented | mild tremor | oriented to all spheres""",
    grave="""responding to internal stimuli | mute with waxy flexibility | obtunded after ingestion | CIWA
    24 | command hallucinations | rigid and febrile | combative in restraints | BMI of 13 | profound
    inattention""",
    better="""slept seven hours | attended all groups | contracts for safety | CIWA below 8 | accepting
    medications | visited with family | off one to one observation""",
    worse="""withdrawal seizure overnight | code called for agitation | QTc prolonged to 540 | liver enzymes
    climbing after overdose | transferred for airway protection | refused all intake | required four point
    restraints""",
    procedures="""electroconvulsive therapy | group therapy | medication reconciliation | N-acetylcysteine
    infusion | family meeting | capacity evaluation | tube feeding | psychological testing""",
    imaging="""normal head CT | generalized atrophy | QTc 430 | no acute infarct | sinus tachycardia |
    prolonged QT interval | EEG with diffuse slowing""",
    plans="""one to one observation | CIWA protocol | titrate quetiapine | taper chlordiazepoxide | thiamine
    and folate | social work for placement | section 12 in place | outpatient therapist to be called |
    repeat ECG | hold sedating agents""",
    drugs="""sertraline | quetiapine | risperidone | trazodone | lithium | haloperidol | olanzapine |
    thiamine | folic acid | chlordiazepoxide | lorazepam | clonazepam | naloxone""",
    labs="""Li | TSH | AST | ALT | Na | K | Glu | Mg | PO4 | WBC | INR | CK""",
)
