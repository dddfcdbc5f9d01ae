/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The switch inside the NIC. It floods, and the receive filter of each function
 * selects. A packet goes to one queue of each function. A port that cannot take
 * it drops it.
 */
#include "qemu/osdep.h"
#include "qemu/iov.h"
#include "net/eth.h"
#include "virtio-net-parts.h"

/* Up to and including the ports, which follow the network header. */
#define IP4_BYTES (sizeof(struct eth_header) + sizeof(struct ip_header) + 4)
#define IP6_BYTES (sizeof(struct eth_header) + sizeof(struct ip6_header) + 4)

typedef struct PartsPortEnd {
    NetClientState nc;
    PartsPort *port;
} PartsPortEnd;

static bool has_ports(uint8_t protocol)
{
    return protocol == IP_PROTO_TCP || protocol == IP_PROTO_UDP;
}

/* Equal for all packets of a flow, which stays in one queue and in order. */
static unsigned flow_hash(const struct iovec *iov, int iovcnt)
{
    uint8_t head[IP6_BYTES];
    size_t got = iov_to_buf(iov, iovcnt, 0, head, sizeof(head));
    const uint8_t *l3 = head + sizeof(struct eth_header);
    const uint8_t *p = head, *end = head + MIN(got, 2 * ETH_ALEN);
    uint32_t hash = 2166136261u;

    if (got >= IP4_BYTES && lduw_be_p(head + 12) == ETH_P_IP) {
        /* The ports follow if there are no options and no fragments. */
        bool plain = (l3[0] & 0xf) == 5 && !(lduw_be_p(l3 + 6) & 0x3fff);

        p = l3 + 12;
        end = p + (plain && has_ports(l3[9]) ? 12 : 8);
    } else if (got >= IP6_BYTES && lduw_be_p(head + 12) == ETH_P_IPV6) {
        p = l3 + 8;
        end = p + (has_ports(l3[6]) ? 36 : 32);
    }
    for (; p < end; p++) {
        hash = (hash ^ *p) * 16777619u;
    }
    return hash ^ hash >> 16;
}

static void port_send(PartsPort *port, unsigned hash, const struct iovec *iov,
                      int iovcnt)
{
    NetClientState *nc;
    unsigned queues;

    if (!port->net || port->blocked) {
        return;
    }
    queues = port->net->multiqueue ? port->net->curr_queue_pairs : 1;
    nc = port->ncs[hash % queues];
    if (!nc->link_down && qemu_can_send_packet(nc)) {
        qemu_sendv_packet(nc, iov, iovcnt);
    }
}

static void switch_flood(PartsSwitch *sw, const PartsPort *from,
                         const struct iovec *iov, int iovcnt)
{
    unsigned i, hash = flow_hash(iov, iovcnt);
    NetClientState *up = sw->uplink ? qemu_get_queue(sw->uplink) : NULL;

    for (i = 0; i < sw->nports; i++) {
        if (&sw->ports[i] != from) {
            port_send(&sw->ports[i], hash, iov, iovcnt);
        }
    }
    if (from && up && qemu_can_send_packet(up)) {
        qemu_sendv_packet(up, iov, iovcnt);
    }
}

static ssize_t port_receive_iov(NetClientState *nc, const struct iovec *iov,
                                int iovcnt)
{
    PartsPort *port = container_of(nc, PartsPortEnd, nc)->port;

    if (!port->blocked) {
        switch_flood(port->sw, port, iov, iovcnt);
    }
    return iov_size(iov, iovcnt);
}

static ssize_t port_receive(NetClientState *nc, const uint8_t *buf,
                            size_t size)
{
    struct iovec iov = { .iov_base = (void *)buf, .iov_len = size };

    return port_receive_iov(nc, &iov, 1);
}

static NetClientInfo port_info = {
    .type = NET_CLIENT_DRIVER_NONE,
    .size = sizeof(PartsPortEnd),
    .receive = port_receive,
    .receive_iov = port_receive_iov,
};

void parts_port_attach(PartsPort *port, VirtIONet *net, unsigned nqueues,
                       const char *name)
{
    g_autofree char *end_name = g_strdup_printf("%s-port", name);
    unsigned i;

    for (i = 0; i < nqueues; i++) {
        NetClientState *nc = qemu_new_net_client(&port_info, NULL,
                                                 "parts-switch", end_name);

        nc->queue_index = i;
        container_of(nc, PartsPortEnd, nc)->port = port;
        port->ncs[i] = nc;
        net->nic_conf.peers.ncs[i] = nc;
    }
    net->nic_conf.peers.queues = nqueues;
    port->nqueues = nqueues;
    port->net = net;
}

void parts_port_block(PartsPort *port, bool block)
{
    unsigned i;

    port->blocked = block;
    for (i = 0; block && i < port->nqueues; i++) {
        qemu_purge_queued_packets(port->ncs[i]);
    }
}

static ssize_t uplink_receive(NetClientState *nc, const uint8_t *buf,
                              size_t size)
{
    struct iovec iov = { .iov_base = (void *)buf, .iov_len = size };

    switch_flood(qemu_get_nic_opaque(nc), NULL, &iov, 1);
    return size;
}

static NetClientInfo uplink_info = {
    .type = NET_CLIENT_DRIVER_NIC,
    .size = sizeof(NICState),
    .receive = uplink_receive,
};

void parts_switch_init(PartsSwitch *sw, DeviceState *dev, unsigned nports,
                       NICPeers *uplink)
{
    unsigned i;

    sw->nports = nports;
    sw->ports = g_new0(PartsPort, nports);
    for (i = 0; i < nports; i++) {
        sw->ports[i].sw = sw;
    }
    if (uplink->queues) {
        sw->uplink_conf.peers = *uplink;
        sw->uplink = qemu_new_nic(&uplink_info, &sw->uplink_conf,
                                  "parts-uplink", dev->id,
                                  &dev->mem_reentrancy_guard, sw);
        memset(uplink, 0, sizeof(*uplink));
    }
}
