/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The migration state machine, written by hand from the text of the uAPI
 * header: one path for every pair of states and every feature set. Nothing here
 * comes from the driver's table, so that the two can be compared. The file
 * needs no headers: user space, the unit tests and a test module include it.
 *
 * A path has one letter per state; "-" means that the request is refused:
 *
 *   E ERROR    S STOP         R RUNNING   Y STOP_COPY
 *   L RESUMING r RUNNING_P2P  C PRE_COPY  c PRE_COPY_P2P
 */
#ifndef FSM_EXPECT_H
#define FSM_EXPECT_H

#define FSM_STATES 8
#define FSM_P2P 1	/* index bits into fsm_expect[] */
#define FSM_PRECOPY 2

/* Letters in the order of the uAPI's state values */
#define FSM_LETTERS "ESRYLrCc"

static const char * const fsm_expect[4][FSM_STATES][FSM_STATES] = {
	[0] = {
		/*         E    S      R      Y      L      r    C    c  */
		/* E */ { "-", "-",   "-",   "-",   "-",   "-", "-", "-" },
		/* S */ { "-", "S",   "SR",  "SY",  "SL",  "-", "-", "-" },
		/* R */ { "-", "RS",  "R",   "RSY", "RSL", "-", "-", "-" },
		/* Y */ { "-", "YS",  "YSR", "Y",   "YSL", "-", "-", "-" },
		/* L */ { "-", "LS",  "LSR", "LSY", "L",   "-", "-", "-" },
		/* r */ { "-", "-",   "-",   "-",   "-",   "-", "-", "-" },
		/* C */ { "-", "-",   "-",   "-",   "-",   "-", "-", "-" },
		/* c */ { "-", "-",   "-",   "-",   "-",   "-", "-", "-" },
	},
	[FSM_P2P] = {
		/*         E    S      R       Y       L       r      C    c  */
		/* E */ { "-", "-",   "-",    "-",    "-",    "-",   "-", "-" },
		/* S */ { "-", "S",   "SrR",  "SY",   "SL",   "Sr",  "-", "-" },
		/* R */ { "-", "RrS", "R",    "RrSY", "RrSL", "Rr",  "-", "-" },
		/* Y */ { "-", "YS",  "YSrR", "Y",    "YSL",  "YSr", "-", "-" },
		/* L */ { "-", "LS",  "LSrR", "LSY",  "L",    "LSr", "-", "-" },
		/* r */ { "-", "rS",  "rR",   "rSY",  "rSL",  "r",   "-", "-" },
		/* C */ { "-", "-",   "-",    "-",    "-",    "-",   "-", "-" },
		/* c */ { "-", "-",   "-",    "-",    "-",    "-",   "-", "-" },
	},
	[FSM_PRECOPY] = {
		/*         E    S      R      Y      L       r    C       c  */
		/* E */ { "-", "-",   "-",   "-",   "-",    "-", "-",    "-" },
		/* S */ { "-", "S",   "SR",  "SY",  "SL",   "-", "SRC",  "-" },
		/* R */ { "-", "RS",  "R",   "RSY", "RSL",  "-", "RC",   "-" },
		/* Y */ { "-", "YS",  "YSR", "Y",   "YSL",  "-", "-",    "-" },
		/* L */ { "-", "LS",  "LSR", "LSY", "L",    "-", "LSRC", "-" },
		/* r */ { "-", "-",   "-",   "-",   "-",    "-", "-",    "-" },
		/* C */ { "-", "CRS", "CR",  "CY",  "CRSL", "-", "C",    "-" },
		/* c */ { "-", "-",   "-",   "-",   "-",    "-", "-",    "-" },
	},
	[FSM_P2P | FSM_PRECOPY] = {
		/* to      E    S       R       Y       L        r      C        c  */
		/* E */ { "-", "-",    "-",    "-",    "-",     "-",   "-",     "-" },
		/* S */ { "-", "S",    "SrR",  "SY",   "SL",    "Sr",  "SrRC",  "Src" },
		/* R */ { "-", "RrS",  "R",    "RrSY", "RrSL",  "Rr",  "RC",    "Rrc" },
		/* Y */ { "-", "YS",   "YSrR", "Y",    "YSL",   "YSr", "-",     "-" },
		/* L */ { "-", "LS",   "LSrR", "LSY",  "L",     "LSr", "LSrRC", "LSrc" },
		/* r */ { "-", "rS",   "rR",   "rSY",  "rSL",   "r",   "rRC",   "rc" },
		/* C */ { "-", "CRrS", "CR",   "CcY",  "CRrSL", "CRr", "C",     "Cc" },
		/* c */ { "-", "crS",  "crR",  "cY",   "crSL",  "cr",  "cC",    "c" },
	},
};

/* The state value of @letter; FSM_STATES when it is not a letter of a state */
static inline unsigned int fsm_state_of(char letter)
{
	unsigned int i;

	for (i = 0; i < FSM_STATES; i++)
		if (FSM_LETTERS[i] == letter)
			break;
	return i;
}

#endif /* FSM_EXPECT_H */
