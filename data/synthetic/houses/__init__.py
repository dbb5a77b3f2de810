"""The made-up hospitals, largest first: ``HOUSES``. One module each says how that house writes."""

from data.synthetic.houses.cancer import CANCER
from data.synthetic.houses.heart import HEART
from data.synthetic.houses.house import House, Section
from data.synthetic.houses.kidney import KIDNEY
from data.synthetic.houses.medicine import MEDICINE
from data.synthetic.houses.mind import MIND
from data.synthetic.houses.nerves import NERVES
from data.synthetic.houses.newborn import NEWBORN
from data.synthetic.houses.shared import SHARED
from data.synthetic.houses.trauma import TRAUMA

HOUSES: tuple[House, ...] = (HEART, MEDICINE, TRAUMA, NEWBORN, NERVES, CANCER, KIDNEY, MIND)

__all__ = ["HOUSES", "SHARED", "House", "Section"]
