// SPDX-License-Identifier: GPL-2.0-only
/*
 * One deliberate bug for each load, to see that the kernel's checkers are on and the
 * tests notice their reports. The machine must be discarded afterwards.
 */
#include <linux/bug.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

static char *bug = "none";
module_param(bug, charp, 0444);
MODULE_PARM_DESC(bug, "which one");

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);
static DEFINE_SPINLOCK(spin);

static int sink;

/* Hide the value from the compiler. */
static int hidden(int n)
{
	OPTIMIZER_HIDE_VAR(n);
	return n;
}

static void none(void)
{
}

static void use_after_free(void)
{
	int *p = kmalloc_array(16, sizeof(*p), GFP_KERNEL);

	kfree(p);
	OPTIMIZER_HIDE_VAR(p);
	WRITE_ONCE(sink, p ? p[hidden(4)] : 0);
}

static void out_of_bounds(void)
{
	int *p = kcalloc(4, sizeof(*p), GFP_KERNEL);

	OPTIMIZER_HIDE_VAR(p);
	WRITE_ONCE(sink, p ? p[hidden(4)] : 0);
	kfree(p);
}

static void shift(void)
{
	WRITE_ONCE(sink, hidden(1) << hidden(60));
}

/* Inside the object: only the index is out of bounds. */
static void index(void)
{
	struct {
		int table[4];
		int rest[4];
	} *p = kzalloc(sizeof(*p), GFP_KERNEL);

	WRITE_ONCE(sink, p ? p->table[hidden(4)] : 0);
	kfree(p);
}

static void lock_order(void)
{
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);

	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
}

static void sleep_in_atomic(void)
{
	spin_lock(&spin);
	might_sleep();
	spin_unlock(&spin);
}

/* Leak several, as a stale pointer on a stack may hide one. */
static void leak(void)
{
	int i;

	for (i = 0; i < 8; i++) {
		void *p = kmalloc(1000, GFP_KERNEL);

		OPTIMIZER_HIDE_VAR(p);
	}
}

static void warn(void)
{
	WARN(1, "made on purpose\n");
}

/* Longer than the time that the test sets */
static void hang(void)
{
	set_current_state(TASK_UNINTERRUPTIBLE);
	schedule_timeout(8 * HZ);
}

/* This is the last bug: the module cannot be unloaded after it. */
static void oops(void)
{
	int *p = NULL;

	OPTIMIZER_HIDE_VAR(p);
	WRITE_ONCE(sink, *p);
}

static const struct {
	const char *name;
	void (*make)(void);
} bugs[] = {
	{ "none", none },
	{ "use_after_free", use_after_free },
	{ "out_of_bounds", out_of_bounds },
	{ "shift", shift },
	{ "index", index },
	{ "lock_order", lock_order },
	{ "sleep_in_atomic", sleep_in_atomic },
	{ "leak", leak },
	{ "warn", warn },
	{ "hang", hang },
	{ "oops", oops },
};

static int __init bugs_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(bugs); i++) {
		if (strcmp(bug, bugs[i].name))
			continue;
		bugs[i].make();
		return 0;
	}
	return -EINVAL;
}
module_init(bugs_init);

static void __exit bugs_exit(void)
{
}
module_exit(bugs_exit);

MODULE_DESCRIPTION("vfio-snapshot: bugs made on purpose, to test the tests");
MODULE_LICENSE("GPL");
