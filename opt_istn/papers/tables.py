"""The papers' tables of parameters, with the value that is used here and where it comes from.

Each line of the texts below is a row: parameter, printed value, value used, origin. The value used
is filled in from the presets ``jutap-paper-v2`` and ``push-paper-v2`` (``s``) and from the profiles
``paper`` of the agents (``a``).
"""

from typing import Any

from opt_istn import registry
from opt_istn.jutap.scenario import PRESETS as JUTAP
from opt_istn.papers.work import Finding, Work
from opt_istn.push.scenario import PRESETS as PUSH

_JUTAP = """\
carrier MBS / GEO | 2.545 / 2.1 GHz | {s.mbs_frequency_ghz:g} / {s.geo_frequency_ghz:g} GHz | paper
P^M, P^G | 43, 30 dBm | {s.mbs_power_dbm:g}, {s.geo_power_dbm:g} dBm | paper
GEO beam gain | 51 dBi | {s.geo_gain_dbi:g} dBi | paper
N_0 | -173.9 dBm/Hz | {s.noise_dbm_hz:g} dBm/Hz | paper
beta | -1 dB | {s.beta_db:g} dB | paper
cells along a side of 3 km | 25 | {s.grid} of {s.cell_m:g} m | paper
MBSs, separation | 10, 500 m | {s.num_mbs}, {s.separation_m:g} m | paper
array, tilt | 8 x 8, 10 deg | {s.mbs_rows} x {s.mbs_columns}, {s.mbs_down_tilt_deg:g} deg | paper
h_UAV, v | 150 m, 30 m/s | {s.altitude_m:g} m, {s.speed_m_s:g} m/s | paper
satellite | 111.1 W | {s.geo_longitude_deg:g} deg east | paper
site | 45.4 N, 75.7 W | {s.site_lat_deg:g} deg north, {s.site_lon_deg:g} deg east | paper
beam centre | 50 N, 70 W | {s.geo_beam_lat_deg:g} N, {s.geo_beam_lon_deg:g} deg east | paper
hidden layers | 2 of 128 | 2 of {a.hidden} | paper
output activation | ReLU | {a.output} | own choice: a ReLU says no negative value
gamma, tau | 1, 0.005 | {a.gamma:g}, {a.tau:g} | paper
lambda, eps_min, eps | 0.999, 0.1, 1 | {a.epsilon_decay:g}, {a.epsilon_min:g}, {a.epsilon:g} | paper
N_ep | 10000 | {a.episodes} | paper
L_B, L_Batch, learning rate | - | {a.buffer}, {a.batch}, {a.learning_rate:g} | own choice
B_M, B_G | - | {s.mbs_bandwidth_hz:g}, {s.geo_bandwidth_hz:g} Hz | own choice
element gain | - | {s.mbs_element_gain_dbi:g} dBi | standard: TR 38.901, Table 7.3-1
path loss | TR 36.777 | TR 36.777, Annex B | standard
antenna array | ITU-R M.2101 | ITU-R M.2101-0, section 5 | standard
gas | - | {s.geo_gas_db:g} dB | standard: ITU-R P.676
GEO half-power angle | - | {s.geo_half_width_deg:g} deg | own choice
E_C, E_S | - | {s.battery_j:g}, {s.reserve_j:g} J | own choice
stations | PPP, minimum separation | sequential inhibition | own choice"""

_PUSH = """\
T | 180 s | {s.num_slots} slots of {s.slot_s:g} s | paper; slots from its 19 candidate slots
M | 6 | {s.num_users} | paper
G_T, G_R | 10^5 | {s.gain_tx:g}, {s.gain_rx:g} | paper
eta_T, eta_R | 0.8 | {s.optics_tx:g}, {s.optics_rx:g} | paper
F_rain | 6 dB | {s.rain_mean_db:g} dB, {s.rain} | paper
B_S, P_S | 500 MHz, 1500 W | {s.bandwidth_hz:g} Hz, {s.power_w:g} W | paper
sigma_S^2 | 5 x 10^-20 W/Hz | {s.noise_w_hz:g} W/Hz | paper
F | 280 | {s.num_contents} | paper
C_f | 100 MB | {s.content_bytes:g} bytes | paper
C_S | 300 MB | {s.satellite_items} contents | paper
C_u | 2000 to 4500 MB in Fig. 6a | {s.cache_items} contents | paper's L of C_S; 20 to 45 in Fig. 6a
H_S | 656 km | {s.remote_altitude_m:g} m | paper
communication shell | 550 km | {s.comm_altitude_m:g} m | paper, section 6.1
N | 130 | {s.remote_planes} x {s.remote_per_plane} + {s.comm_planes} x {s.comm_per_plane} | paper
K | 1 s | {s.ground_s:g} s from the ground | own choice: read as the large constant
clusters | 15 agents in section 5.4 | {s.num_clusters} | own choice
v_a, v_b | 3 x 10^8 m/s | {s.propagation_m_s:g} m/s | paper
requests | 547 | {s.num_users} x {s.requests_per_user:g} expected | paper
wavelength | - | {s.frequency_hz:g} Hz | own choice
phasing | - | {s.remote_phasing}; {s.comm_phasing} | own choice
elevation masks | - | {s.remote_mask_deg:g}, {s.comm_mask_deg:g} deg | own choice
users | - | {s.south_deg:g} to {s.north_deg:g} N, {s.west_deg:g} to {s.east_deg:g} E | own choice
demand | - | beta {s.beta:g}, images {s.image_share:g}, fresh {s.freshness:g} | own choice
outage | - | {s.outage:g} | own choice"""

_LEARNER = """\
lambda | 0.95 | {a.gae_lambda:g} | paper
hidden size | 256 | {a.hidden} | paper
lr_a, lr_c | 1e-4, 5e-4 | {a.actor_rate:g}, {a.critic_rate:g} | paper
PPO epoch | 5 | {a.epochs} | paper
clip | 0.2 | {a.clip:g} | paper
gamma | 0.99 | {a.gamma:g} | paper
gain | 0.01 | of the initial output layer | paper
episode length | 30 | the slots of an instance | own choice: there are 18
minibatches | - | {a.minibatches} | own choice"""


def parameters(work: Work) -> Finding:  # noqa: ARG001 - all figures are made alike
    """Return both papers' tables of parameters, and what is missing in them."""
    finding = Finding("Parameters: JUTAP, Table I; PUSH, Tables 1 and 2")
    finding.header = ("table", "parameter", "printed", "used here", "origin")
    dqn: Any = registry.trainer("jutap.dqn", "jutap", {"profile": "paper"})
    mappo: Any = registry.trainer("push.mappo", "push", {"profile": "paper"})
    for name, text, scenario, trainer in (
        ("JUTAP I", _JUTAP, JUTAP["jutap-paper-v2"], dqn),
        ("PUSH 1", _PUSH, PUSH["push-paper-v2"], mappo),
        ("PUSH 2", _LEARNER, PUSH["push-paper-v2"], mappo),
    ):
        filled = text.format(s=scenario, a=trainer.settled())
        finding.rows += [(name, *line.split(" | ")) for line in filled.splitlines()]
    finding.agrees = [
        (
            "The column *used here* is filled in from the presets `jutap-paper-v2` and "
            "`push-paper-v2` and from the agents' profiles `paper`; a dash is a value that is "
            "printed nowhere."
        )
    ]
    finding.cannot = [
        (
            "Why a value that is not printed is what it is, and what another one changes, stands "
            "on the page of assumptions."
        )
    ]
    return finding
