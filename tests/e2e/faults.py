"""What may happen to an upstream and its clients, through the proxy. Arguments: groups to run."""

import sys

from fault_isolation import isolation
from fault_matrix import matrix, matrix_own_ids
from fault_outage import outage
from fault_peers import drive
from fault_post import post
from fault_resume import resume
from fault_sealed import sealed

GROUPS = [matrix, matrix_own_ids, resume, outage, post, isolation, sealed]


if __name__ == "__main__":
    sys.exit(drive(GROUPS, sys.argv[1:]))
