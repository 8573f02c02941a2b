using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Portal.Core.Storage.Migrations.Sqlite
{
    /// <inheritdoc />
    public partial class RealHosts : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<int>(
                name: "Firmware",
                table: "VirtualMachines",
                type: "INTEGER",
                nullable: false,
                defaultValue: 0);

            migrationBuilder.AddColumn<bool>(
                name: "HasTpm",
                table: "VirtualMachines",
                type: "INTEGER",
                nullable: false,
                defaultValue: false);

            migrationBuilder.AddColumn<string>(
                name: "Image",
                table: "VirtualMachines",
                type: "TEXT",
                nullable: false,
                defaultValue: "");

            migrationBuilder.AddColumn<string>(
                name: "MachineType",
                table: "VirtualMachines",
                type: "TEXT",
                nullable: false,
                defaultValue: "");

            migrationBuilder.AddColumn<string>(
                name: "Pool",
                table: "VirtualMachines",
                type: "TEXT",
                nullable: false,
                defaultValue: "");

            migrationBuilder.AddColumn<int>(
                name: "Priority",
                table: "VirtualMachines",
                type: "INTEGER",
                nullable: false,
                defaultValue: 50);

            migrationBuilder.AddColumn<int>(
                name: "Restarts",
                table: "VirtualMachines",
                type: "INTEGER",
                nullable: false,
                defaultValue: 0);

            migrationBuilder.AddColumn<bool>(
                name: "RestartsAutomatically",
                table: "VirtualMachines",
                type: "INTEGER",
                nullable: false,
                defaultValue: false);

            migrationBuilder.AddColumn<int>(
                name: "Firmware",
                table: "Templates",
                type: "INTEGER",
                nullable: false,
                defaultValue: 0);

            migrationBuilder.AddColumn<bool>(
                name: "HasTpm",
                table: "Templates",
                type: "INTEGER",
                nullable: false,
                defaultValue: false);

            migrationBuilder.AddColumn<string>(
                name: "Image",
                table: "Templates",
                type: "TEXT",
                nullable: false,
                defaultValue: "");

            migrationBuilder.AddColumn<string>(
                name: "MachineType",
                table: "Templates",
                type: "TEXT",
                nullable: false,
                defaultValue: "");

            migrationBuilder.AddColumn<string>(
                name: "Network",
                table: "Templates",
                type: "TEXT",
                nullable: false,
                defaultValue: "default");

            migrationBuilder.AddColumn<string>(
                name: "Pool",
                table: "Templates",
                type: "TEXT",
                nullable: false,
                defaultValue: "default");

            migrationBuilder.AddColumn<string>(
                name: "Hardware_Board",
                table: "Hosts",
                type: "TEXT",
                nullable: false,
                defaultValue: "");

            migrationBuilder.AddColumn<string>(
                name: "Hardware_Hypervisor",
                table: "Hosts",
                type: "TEXT",
                nullable: false,
                defaultValue: "");

            migrationBuilder.AddColumn<string>(
                name: "Hardware_NotOffered",
                table: "Hosts",
                type: "TEXT",
                nullable: false,
                defaultValue: "");

            migrationBuilder.AddColumn<string>(
                name: "LibvirtUri",
                table: "Hosts",
                type: "TEXT",
                nullable: true);

            migrationBuilder.AddColumn<long>(
                name: "PhysicalMemory",
                table: "Hosts",
                type: "INTEGER",
                nullable: false,
                defaultValue: 0L);

            migrationBuilder.AddColumn<long>(
                name: "QuarantinedSince",
                table: "Hosts",
                type: "INTEGER",
                nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "StateReason",
                table: "Hosts",
                type: "TEXT",
                nullable: false,
                defaultValue: "");

            migrationBuilder.AddColumn<string>(
                name: "MigrationText",
                table: "Clusters",
                type: "TEXT",
                nullable: false,
                defaultValue: "");

            migrationBuilder.AddColumn<string>(
                name: "ReactionText",
                table: "Clusters",
                type: "TEXT",
                nullable: false,
                defaultValue: "");

            migrationBuilder.CreateTable(
                name: "AttesterReplacements",
                columns: table => new
                {
                    Id = table.Column<Guid>(type: "TEXT", nullable: false),
                    HostId = table.Column<Guid>(type: "TEXT", nullable: false),
                    AgainstKeyName = table.Column<string>(type: "TEXT", nullable: false),
                    RegistrationId = table.Column<Guid>(type: "TEXT", nullable: false),
                    Issuer = table.Column<string>(type: "TEXT", nullable: false),
                    Subject = table.Column<string>(type: "TEXT", nullable: false),
                    PersonName = table.Column<string>(type: "TEXT", nullable: false),
                    At = table.Column<long>(type: "INTEGER", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_AttesterReplacements", x => x.Id);
                    table.ForeignKey(
                        name: "FK_AttesterReplacements_Hosts_HostId",
                        column: x => x.HostId,
                        principalTable: "Hosts",
                        principalColumn: "Id",
                        onDelete: ReferentialAction.Cascade);
                    table.ForeignKey(
                        name: "FK_AttesterReplacements_RegisteredAttesters_RegistrationId",
                        column: x => x.RegistrationId,
                        principalTable: "RegisteredAttesters",
                        principalColumn: "Id",
                        onDelete: ReferentialAction.Cascade);
                });

            migrationBuilder.CreateTable(
                name: "ConnectionProposals",
                columns: table => new
                {
                    Id = table.Column<Guid>(type: "TEXT", nullable: false),
                    HostId = table.Column<Guid>(type: "TEXT", nullable: false),
                    AgainstVersion = table.Column<long>(type: "INTEGER", nullable: false),
                    LibvirtUri = table.Column<string>(type: "TEXT", nullable: false),
                    Authority = table.Column<string>(type: "TEXT", nullable: false),
                    SshHostKey = table.Column<string>(type: "TEXT", nullable: false),
                    Issuer = table.Column<string>(type: "TEXT", nullable: false),
                    Subject = table.Column<string>(type: "TEXT", nullable: false),
                    PersonName = table.Column<string>(type: "TEXT", nullable: false),
                    At = table.Column<long>(type: "INTEGER", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_ConnectionProposals", x => x.Id);
                    table.ForeignKey(
                        name: "FK_ConnectionProposals_Hosts_HostId",
                        column: x => x.HostId,
                        principalTable: "Hosts",
                        principalColumn: "Id",
                        onDelete: ReferentialAction.Cascade);
                });

            migrationBuilder.CreateTable(
                name: "ForeignMachines",
                columns: table => new
                {
                    HostId = table.Column<Guid>(type: "TEXT", nullable: false),
                    Id = table.Column<Guid>(type: "TEXT", nullable: false),
                    Name = table.Column<string>(type: "TEXT", nullable: false),
                    Cpus = table.Column<int>(type: "INTEGER", nullable: false),
                    Memory = table.Column<long>(type: "INTEGER", nullable: false),
                    Status = table.Column<int>(type: "INTEGER", nullable: false),
                    HasMetadata = table.Column<bool>(type: "INTEGER", nullable: false),
                    TrustLevel = table.Column<int>(type: "INTEGER", nullable: false),
                    FirstSeenAt = table.Column<long>(type: "INTEGER", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_ForeignMachines", x => new { x.HostId, x.Id });
                    table.ForeignKey(
                        name: "FK_ForeignMachines_Hosts_HostId",
                        column: x => x.HostId,
                        principalTable: "Hosts",
                        principalColumn: "Id",
                        onDelete: ReferentialAction.Cascade);
                });

            migrationBuilder.CreateTable(
                name: "HostPools",
                columns: table => new
                {
                    HostId = table.Column<Guid>(type: "TEXT", nullable: false),
                    Name = table.Column<string>(type: "TEXT", nullable: false),
                    Kind = table.Column<string>(type: "TEXT", nullable: false),
                    IsShared = table.Column<bool>(type: "INTEGER", nullable: false),
                    Capacity = table.Column<long>(type: "INTEGER", nullable: false),
                    Available = table.Column<long>(type: "INTEGER", nullable: false),
                    Volumes = table.Column<string>(type: "TEXT", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_HostPools", x => new { x.HostId, x.Name });
                    table.ForeignKey(
                        name: "FK_HostPools_Hosts_HostId",
                        column: x => x.HostId,
                        principalTable: "Hosts",
                        principalColumn: "Id",
                        onDelete: ReferentialAction.Cascade);
                });

            migrationBuilder.CreateTable(
                name: "HostReactions",
                columns: table => new
                {
                    HostId = table.Column<Guid>(type: "TEXT", nullable: false),
                    ClusterId = table.Column<Guid>(type: "TEXT", nullable: false),
                    FellAt = table.Column<long>(type: "INTEGER", nullable: false),
                    State = table.Column<int>(type: "INTEGER", nullable: false),
                    Since = table.Column<long>(type: "INTEGER", nullable: false),
                    OperationId = table.Column<Guid>(type: "TEXT", nullable: true),
                    Sentence = table.Column<string>(type: "TEXT", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_HostReactions", x => x.HostId);
                    table.ForeignKey(
                        name: "FK_HostReactions_Hosts_HostId",
                        column: x => x.HostId,
                        principalTable: "Hosts",
                        principalColumn: "Id",
                        onDelete: ReferentialAction.Cascade);
                });

            migrationBuilder.CreateTable(
                name: "HypervisorConnections",
                columns: table => new
                {
                    HostId = table.Column<Guid>(type: "TEXT", nullable: false),
                    Authority = table.Column<string>(type: "TEXT", nullable: false),
                    ClientCertificate = table.Column<string>(type: "TEXT", nullable: false),
                    SshHostKey = table.Column<string>(type: "TEXT", nullable: false),
                    ProtectedKey = table.Column<byte[]>(type: "BLOB", nullable: true),
                    Version = table.Column<long>(type: "INTEGER", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_HypervisorConnections", x => x.HostId);
                    table.ForeignKey(
                        name: "FK_HypervisorConnections_Hosts_HostId",
                        column: x => x.HostId,
                        principalTable: "Hosts",
                        principalColumn: "Id",
                        onDelete: ReferentialAction.Cascade);
                });

            migrationBuilder.CreateIndex(
                name: "IX_AttesterReplacements_HostId",
                table: "AttesterReplacements",
                column: "HostId",
                unique: true);

            migrationBuilder.CreateIndex(
                name: "IX_AttesterReplacements_RegistrationId",
                table: "AttesterReplacements",
                column: "RegistrationId");

            migrationBuilder.CreateIndex(
                name: "IX_ConnectionProposals_HostId",
                table: "ConnectionProposals",
                column: "HostId",
                unique: true);

            migrationBuilder.CreateIndex(
                name: "IX_HostReactions_State",
                table: "HostReactions",
                column: "State");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "AttesterReplacements");

            migrationBuilder.DropTable(
                name: "ConnectionProposals");

            migrationBuilder.DropTable(
                name: "ForeignMachines");

            migrationBuilder.DropTable(
                name: "HostPools");

            migrationBuilder.DropTable(
                name: "HostReactions");

            migrationBuilder.DropTable(
                name: "HypervisorConnections");

            migrationBuilder.DropColumn(
                name: "Firmware",
                table: "VirtualMachines");

            migrationBuilder.DropColumn(
                name: "HasTpm",
                table: "VirtualMachines");

            migrationBuilder.DropColumn(
                name: "Image",
                table: "VirtualMachines");

            migrationBuilder.DropColumn(
                name: "MachineType",
                table: "VirtualMachines");

            migrationBuilder.DropColumn(
                name: "Pool",
                table: "VirtualMachines");

            migrationBuilder.DropColumn(
                name: "Priority",
                table: "VirtualMachines");

            migrationBuilder.DropColumn(
                name: "Restarts",
                table: "VirtualMachines");

            migrationBuilder.DropColumn(
                name: "RestartsAutomatically",
                table: "VirtualMachines");

            migrationBuilder.DropColumn(
                name: "Firmware",
                table: "Templates");

            migrationBuilder.DropColumn(
                name: "HasTpm",
                table: "Templates");

            migrationBuilder.DropColumn(
                name: "Image",
                table: "Templates");

            migrationBuilder.DropColumn(
                name: "MachineType",
                table: "Templates");

            migrationBuilder.DropColumn(
                name: "Network",
                table: "Templates");

            migrationBuilder.DropColumn(
                name: "Pool",
                table: "Templates");

            migrationBuilder.DropColumn(
                name: "Hardware_Board",
                table: "Hosts");

            migrationBuilder.DropColumn(
                name: "Hardware_Hypervisor",
                table: "Hosts");

            migrationBuilder.DropColumn(
                name: "Hardware_NotOffered",
                table: "Hosts");

            migrationBuilder.DropColumn(
                name: "LibvirtUri",
                table: "Hosts");

            migrationBuilder.DropColumn(
                name: "PhysicalMemory",
                table: "Hosts");

            migrationBuilder.DropColumn(
                name: "QuarantinedSince",
                table: "Hosts");

            migrationBuilder.DropColumn(
                name: "StateReason",
                table: "Hosts");

            migrationBuilder.DropColumn(
                name: "MigrationText",
                table: "Clusters");

            migrationBuilder.DropColumn(
                name: "ReactionText",
                table: "Clusters");
        }
    }
}
