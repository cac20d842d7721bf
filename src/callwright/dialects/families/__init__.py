"""One file a model family: how it writes, reads and constrains calls. The table of them."""

from __future__ import annotations

from callwright.dialects.families.atem import ATEM
from callwright.dialects.families.command_r import COMMAND_R
from callwright.dialects.families.deepseek import DEEPSEEK_V3, DEEPSEEK_V3_1
from callwright.dialects.families.functionary import FUNCTIONARY
from callwright.dialects.families.gemma import FUNCTION_GEMMA, GEMMA4
from callwright.dialects.families.glm import GLM
from callwright.dialects.families.granite import GRANITE, GRANITE_3_0
from callwright.dialects.families.harmony import HARMONY
from callwright.dialects.families.hermes import HERMES
from callwright.dialects.families.kimi import KIMI_K2
from callwright.dialects.families.lfm2 import LFM2
from callwright.dialects.families.llama_json import LLAMA_JSON
from callwright.dialects.families.minimax import MINIMAX_M2
from callwright.dialects.families.mistral import MISTRAL, MISTRAL_V11
from callwright.dialects.families.phi4_mini import PHI4_MINI
from callwright.dialects.families.pythonic import PYTHONIC
from callwright.dialects.families.qwen3_coder import QWEN3_CODER
from callwright.dialects.families.xlam_json import XLAM_JSON
from callwright.dialects.family import Family

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        HERMES,
        QWEN3_CODER,
        XLAM_JSON,
        LLAMA_JSON,
        PYTHONIC,
        MISTRAL,
        MISTRAL_V11,
        PHI4_MINI,
        FUNCTION_GEMMA,
        GEMMA4,
        GRANITE,
        GRANITE_3_0,
        DEEPSEEK_V3,
        DEEPSEEK_V3_1,
        LFM2,
        FUNCTIONARY,
        COMMAND_R,
        HARMONY,
        GLM,
        MINIMAX_M2,
        KIMI_K2,
        ATEM,
    )
}
"""Every family by its name in a recipe."""
