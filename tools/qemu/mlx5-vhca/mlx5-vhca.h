/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the files of the emulated ConnectX (tools/qemu/MLX5.md). */
#ifndef HW_NET_MLX5_VHCA_H
#define HW_NET_MLX5_VHCA_H

#include "hw/pci/pci_device.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "../lab/lab.h"
#include "../lab/lab-regs.h"
#include "engine-regs.h"
#include "ifc.h"

#define TYPE_MLX5_VHCA_PF   "mlx5-vhca-pf"
#define TYPE_MLX5_VHCA_VF   "mlx5-vhca-vf"
OBJECT_DECLARE_SIMPLE_TYPE(Mlx5PF, MLX5_VHCA_PF)
OBJECT_DECLARE_SIMPLE_TYPE(Mlx5VF, MLX5_VHCA_VF)

#define MLX5_MAX_VFS        128
#define MLX5_VECTORS        8

#define MLX5_LOG_CMDS       5       /* of the command queue */
#define MLX5_LOG_STRIDE     6
#define MLX5_UAR_FIRST      16
#define MLX5_UARS           256     /* also the size of BAR 0 in pages */
#define MLX5_MAX_EQS        32

/* The device type in images */
#define MLX5_VHCA_TYPE      0x101e0001
#define MLX5_MAX_PAD        (1 * GiB)
#define MLX5_BLOCK          4096

/* Syndromes: why the firmware refused a command */
#define SYND_SUSPENDED      0x5afe01    /* already suspended or resumed */
#define SYND_NOT_SUSPENDED  0x5afe02
#define SYND_NO_SESSION     0x5afe03    /* no session to continue */
#define SYND_KEY            0x5afe04    /* no such key, or it forbids this access */
#define SYND_ROOM           0x5afe05    /* the image does not fit */
#define SYND_DMA            0x5afe06
#define SYND_INCOMPLETE     0x5afe07    /* the loaded state is incomplete */
#define SYND_IMAGE_LENGTH   0x5afe11
#define SYND_IMAGE_VERSION  0x5afe12
#define SYND_IMAGE_TYPE     0x5afe13
#define SYND_IMAGE_CHECKSUM 0x5afe14
#define SYND_IMAGE_ORDER    0x5afe15
#define SYND_IMAGE_CONTENT  0x5afe16

typedef struct Mlx5Op Mlx5Op;

typedef struct Mlx5Cmd {
    Mlx5PF *pf;
    const Mlx5Op *op;               /* NULL: unknown opcode */
    const LabFault *fault;          /* while it runs */
    unsigned index;                 /* in the command queue */
    uint8_t token;
    bool notify;                    /* also send an event on completion */
    uint64_t out_ptr;
    uint8_t *in;
    uint32_t in_len;
    uint8_t *out;
    uint32_t out_len;
    uint8_t delivery;               /* DELIVERY_* of a command that was not delivered */
} Mlx5Cmd;

typedef struct Mlx5Ring {
    uint64_t *pages;                /* of 4 KiB */
} Mlx5Ring;

typedef struct Mlx5Eq {
    bool used;
    bool armed;
    uint8_t log_size;
    uint16_t vector;
    uint32_t producer;
    uint32_t consumer;
    uint64_t events[4];             /* event n is bit n % 64 of word n / 64 */
    Mlx5Ring ring;
} Mlx5Eq;

/* The state that migrates. */
typedef struct Mlx5State {
    uint64_t reg[ENGINE_REGS];
    uint64_t pad;                   /* bytes */
    uint32_t *version;              /* of each block of the pad */
} Mlx5State;

typedef struct Mlx5Save {
    bool open;
    bool renewed;                   /* the driver initialized the VF again */
    uint32_t sequence;              /* of the next image */
    uint32_t chain;                 /* the checksum of the last one */
    unsigned long *dirty;           /* blocks changed since they were saved */
} Mlx5Save;

typedef struct Mlx5Load {
    enum { LOAD_NONE, LOAD_PART, LOAD_WHOLE, LOAD_BAD } phase;
    uint32_t sequence;              /* of the last image */
    uint32_t chain;                 /* and its checksum */
    Mlx5State s;
    unsigned long *have;            /* blocks received */
} Mlx5Load;

struct Mlx5PF {
    PCIDevice parent_obj;
    MemoryRegion bar;
    MemoryRegion msix;
    uint16_t sriov_vfs;
    uint32_t features;              /* LAB_CAN_* */
    uint32_t first_features;        /* of the command line */
    uint32_t health;                /* LAB_FATAL, ... */
    uint32_t counter;               /* of its health */
    uint8_t interface;              /* NIC_* of the initialization segment */
    char *fw_version;
    uint16_t fw[3];                 /* the same in numbers */
    uint64_t pad;                   /* initial pad of each VF */
    uint64_t queue;                 /* where the command queue is */
    uint32_t busy;                  /* entries not yet returned to the driver */
    uint32_t rung;                  /* entries that wait until commands are taken */
    bool running;                   /* between INIT_HCA and TEARDOWN_HCA */
    uint32_t uars[MLX5_UARS / 32];
    Mlx5Eq eqs[MLX5_MAX_EQS];
    bool x_lab;
    Lab *lab;                       /* NULL without x-lab=on */
    GHashTable *pds;
    GHashTable *keys;
    GHashTable *cqs;
    GHashTable *qps;
    GHashTable *trackers;
    uint32_t track_pages;           /* that a tracker can hold; 0: no limit */
    uint32_t first_track_pages;
    uint8_t track_space;            /* log2 of the bytes that it covers at most */
    uint32_t cq_arm;                /* the first half of a doorbell */
    uint32_t last_object;
};

/* NIC interface field of the initialization segment */
#define NIC_FULL            0
#define NIC_DISABLED        1
#define NIC_SW_RESET        7

/* Suspended halves of a VF: the initiator of DMA, the responder on the BAR */
#define MLX5_INITIATOR      1
#define MLX5_RESPONDER      2

struct Mlx5VF {
    PCIDevice parent_obj;
    MemoryRegion bar;
    Mlx5PF *pf;
    unsigned id;                    /* in commands, from 1 */
    bool enabled;                   /* ENABLE_HCA */
    uint8_t suspended;
    uint64_t refused;               /* accesses to the BAR while suspended */
    uint64_t touched;               /* blocks that the lab block changed */
    Mlx5State s;
    Mlx5Save save;
    Mlx5Load load;
    QEMUTimer *timer;
    uint32_t low;                   /* written to low_addr of the BAR */
    hwaddr low_addr;
};

static inline Mlx5VF *mlx5_vf(Mlx5PF *pf, unsigned id)
{
    PCIDevice *dev = PCI_DEVICE(pf);

    return id && id <= pf->sriov_vfs ?
           MLX5_VHCA_VF(dev->exp.sriov_pf.vf[id - 1]) : NULL;
}

/* The vhca_id of a function; the PF has 1. */
#define MLX5_VHCA_ID(function)  ((function) + 1)

/* An opcode: its minimum lengths and its handler. */
struct Mlx5Op {
    uint16_t opcode;
    uint16_t in_len;
    uint16_t out_len;
    uint8_t (*run)(Mlx5PF *pf, Mlx5Cmd *cmd);
    /* How the command names its VF; both ids are at the same place. */
    enum { NAMES_NOBODY, NAMES_VHCA, NAMES_FUNCTION } names;
};

/* Tables of opcodes, each ended by opcode 0 */
extern const Mlx5Op mlx5_hca_ops[];
extern const Mlx5Op mlx5_eq_ops[];
extern const Mlx5Op mlx5_mkey_ops[];
extern const Mlx5Op mlx5_migrate_ops[];
extern const Mlx5Op mlx5_queue_ops[];
extern const Mlx5Op mlx5_track_ops[];

/* cmd.c: the command queue */
void mlx5_cmd_doorbell(Mlx5PF *pf, uint32_t bits);
/* Drops the commands that are not completed. */
void mlx5_cmd_drop(Mlx5PF *pf);
const Mlx5Op *mlx5_cmd_op(uint16_t opcode);
void mlx5_cmd_run(Mlx5Cmd *cmd, const LabFault *fault);
/* Returns the result to the driver and frees the command. */
void mlx5_cmd_complete(Mlx5Cmd *cmd);
void mlx5_cmd_free(Mlx5Cmd *cmd);

/* lab.c: the lab block, tools/qemu/LAB.md */
void mlx5_lab_init(Mlx5PF *pf);

/* hca.c: the function itself */
void mlx5_hca_reset(Mlx5PF *pf);
/* Restarts the firmware; all functions lose their state. */
void mlx5_firmware_reset(Mlx5PF *pf);

/* health.c: firmware faults */
bool mlx5_is_mute(const Mlx5PF *pf);
uint32_t mlx5_health_counter(Mlx5PF *pf);
uint8_t mlx5_health_read(const Mlx5PF *pf, hwaddr at);
void mlx5_set_health(Mlx5PF *pf, uint32_t health);

/* eq.c: event queues */
void mlx5_eq_reset(Mlx5PF *pf);
void mlx5_eq_doorbell(Mlx5PF *pf, uint32_t val, bool arm);
/* Sends an event with 28 bytes of @data to all queues that want this @type. */
void mlx5_event(Mlx5PF *pf, uint8_t type, const uint8_t *data);
void mlx5_event_to(Mlx5PF *pf, uint32_t eqn, uint8_t type, const uint8_t *data);
bool mlx5_events_wanted(const Mlx5PF *pf, uint8_t type);

/* mkey.c: protection domains and keys */
void mlx5_mkey_init(Mlx5PF *pf);
void mlx5_mkey_reset(Mlx5PF *pf);
void mlx5_mkey_exit(Mlx5PF *pf);
unsigned mlx5_mkey_count(Mlx5PF *pf);
/* A number for a new object; @used has those in use. */
uint32_t mlx5_new_number(Mlx5PF *pf, GHashTable *used);
bool mlx5_mkey_allows(Mlx5PF *pf, uint32_t mkey, uint64_t va, uint64_t len,
                      bool write);
/* @write: to the host's memory. */
bool mlx5_mkey_rw(Mlx5PF *pf, uint32_t mkey, uint64_t va, void *buf,
                  uint64_t len, bool write);

/* ring.c */
uint8_t mlx5_ring_init(Mlx5Ring *ring, const Mlx5Cmd *cmd, uint32_t offset,
                       uint64_t size, uint32_t log_page);
uint64_t mlx5_ring_addr(const Mlx5Ring *ring, uint32_t at);
void mlx5_ring_free(Mlx5Ring *ring);

/* queues.c: completion queues, queue pairs */
void mlx5_queues_init(Mlx5PF *pf);
void mlx5_queues_reset(Mlx5PF *pf);
void mlx5_queues_exit(Mlx5PF *pf);
void mlx5_cq_arm(Mlx5PF *pf, uint32_t number, uint32_t consumer);
bool mlx5_qp_sends(Mlx5PF *pf, uint32_t number);
bool mlx5_qp_send(Mlx5PF *pf, uint32_t number, void *buf, uint32_t len,
                  uint32_t immediate);

/* track.c: the page tracker */
#define MLX5_TRACK_LOG_NUM      5
#define MLX5_TRACK_RANGES       16
#define MLX5_TRACK_MIN_SPACE    12
#define MLX5_TRACK_MAX_SPACE    48      /* unless x-track-space says so */
#define MLX5_TRACK_MIN_MSG      12
#define MLX5_TRACK_MAX_MSG      16
#define MLX5_TRACK_MIN_PAGE     12
#define MLX5_TRACK_MAX_PAGE     30
void mlx5_track_init(Mlx5PF *pf);
void mlx5_track_reset(Mlx5PF *pf);
void mlx5_track_exit(Mlx5PF *pf);
bool mlx5_track_uses_qp(Mlx5PF *pf, uint32_t number);
void mlx5_track_write(Mlx5VF *vf, uint64_t addr, uint32_t len);
void mlx5_track_go_on(Mlx5PF *pf);

/* state.c */
void mlx5_state_init(Mlx5State *s, uint64_t pad);
void mlx5_state_free(Mlx5State *s);
uint64_t mlx5_state_blocks(const Mlx5State *s);
uint32_t mlx5_state_block_len(const Mlx5State *s, uint64_t block);
void mlx5_state_fill(uint64_t block, uint32_t version, uint8_t *buf);

/* image.c */
typedef struct Mlx5Io {
    Mlx5PF *pf;
    uint32_t mkey;                  /* of the buffer for the image */
    uint64_t va;
    const LabFault *fault;          /* damage to apply, or NULL */
} Mlx5Io;

uint64_t mlx5_image_size(uint64_t blocks);
uint32_t mlx5_image_write(Mlx5VF *vf, const Mlx5Io *io, uint32_t room,
                          bool stopped);
/* Returns a SYND_IMAGE_*, SYND_DMA, or 0. */
uint32_t mlx5_image_read(Mlx5Load *load, const Mlx5Io *io, uint32_t len);
void mlx5_load_drop(Mlx5Load *load);

/* engine.c: the BAR of a VF */
extern const MemoryRegionOps mlx5_engine_ops;
void mlx5_engine_init(Mlx5VF *vf);
void mlx5_engine_exit(Mlx5VF *vf);
void mlx5_engine_update(Mlx5VF *vf);
bool mlx5_engine_valid(const uint64_t *reg);
bool mlx5_vf_master(Mlx5VF *vf);

/* migrate.c */
void mlx5_vf_reset(Mlx5VF *vf);
void mlx5_vf_set_pad(Mlx5VF *vf, uint64_t pad);
/* Changes @blocks blocks of the pad, from the @first one on. */
void mlx5_vf_touch(Mlx5VF *vf, uint64_t first, uint64_t blocks);
void mlx5_vf_exit(Mlx5VF *vf);

#endif
